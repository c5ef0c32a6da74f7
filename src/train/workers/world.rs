//! Which processes make up a run, from what a launcher puts into the environment.
//!
//! Belongs here: reading it, pure. Does not: meeting the others (`team`).

use crate::hash::fnv1a;

/// torch's own default.
const DEFAULT_PORT: u16 = 29_500;
/// Below the ports that Linux hands out by itself, from 32 768 on.
const DERIVED_PORTS: std::ops::Range<u64> = 15_000..30_000;
/// Slurm's steps that no `srun` made (batch script, prolog, interactive) count down from here.
const SLURM_SPECIAL_STEPS: u64 = 0xffff_fff0;

/// A process among those of a run, and where they meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
    /// The host of the store through which they find each other.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What keys of the store begin with.
    pub prefix: String,
    /// Whether rank 0 serves the store. If not, the launcher does.
    pub rank_0_serves: bool,
}

impl World {
    /// The processes that a launcher started: torchrun (also PyTorchJob of Kubernetes),
    /// else mpirun of Open MPI, else srun of Slurm. `None` for a process that is alone.
    ///
    /// mpirun goes before srun: within a Slurm job it starts its own daemons by srun, and
    /// their variables are inherited.
    ///
    /// # Errors
    /// Names the variable that is missing or does not fit.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let env = Environment(&get);
        let world = match (env.has("RANK"), env.has("WORLD_SIZE")) {
            (true, true) => env.torchrun()?,
            // Scripts for srun export the size, and the rank comes from Slurm.
            _ if env.has("OMPI_COMM_WORLD_SIZE") => env.open_mpi()?,
            _ if env.is_slurm_step() => env.slurm()?,
            (true, false) => return Err(missing("WORLD_SIZE", "RANK")),
            (false, true) => return Err(missing("RANK", "WORLD_SIZE")),
            (false, false) => return Ok(None),
        };
        if world.size == 0 {
            return Err("the number of processes (WORLD_SIZE) is 0; it is at least 1".to_owned());
        }
        if world.rank >= world.size {
            return Err(format!(
                "rank {} of {} processes: RANK counts from 0 and is under WORLD_SIZE",
                world.rank, world.size
            ));
        }
        Ok((world.size > 1).then_some(world))
    }
}

fn missing(name: &str, other: &str) -> String {
    format!("{other} is set but {name} is not; set both, or neither to train in one process")
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number = text.trim().parse();
        number
            .map(Some)
            .map_err(|_| format!("{name}={text}: not a number that fits"))
    }

    fn needed<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        self.number(name)?
            .ok_or_else(|| format!("{name} is not set; the launcher sets it for every process"))
    }

    fn torchrun(&self) -> Result<World, String> {
        let size = self.needed("WORLD_SIZE")?;
        // One process needs no meeting point.
        let (host, port) = match (self.get("MASTER_ADDR"), self.number("MASTER_PORT")?) {
            (Some(host), port) => (host, port.unwrap_or(DEFAULT_PORT)),
            (None, _) if size <= 1 => (String::new(), DEFAULT_PORT),
            (None, _) => {
                return Err(
                    "RANK and WORLD_SIZE are set but MASTER_ADDR is not; it is the host of rank 0"
                        .to_owned(),
                );
            }
        };
        // torchrun keeps one store over restarts of its workers, each with its own keys.
        let has_agent = self.get("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
        let attempt = self.get("TORCHELASTIC_RESTART_COUNT").unwrap_or_default();
        Ok(World {
            rank: self.needed("RANK")?,
            size,
            host,
            port,
            prefix: format!("l3net/{attempt}"),
            rank_0_serves: !has_agent,
        })
    }

    fn open_mpi(&self) -> Result<World, String> {
        let size = self.needed("OMPI_COMM_WORLD_SIZE")?;
        let here = self.number("OMPI_COMM_WORLD_LOCAL_SIZE")?;
        let host = match self.get("MASTER_ADDR") {
            Some(host) => host,
            None if here == Some(size) => "127.0.0.1".to_owned(),
            None => {
                return Err(
                    "mpirun over several hosts: MASTER_ADDR is not set; give the host of rank 0, \
                     with mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=PORT"
                        .to_owned(),
                );
            }
        };
        let job = self.get("PMIX_NAMESPACE");
        Ok(World {
            rank: self.needed("OMPI_COMM_WORLD_RANK")?,
            size,
            host,
            port: match self.number("MASTER_PORT")? {
                Some(port) => port,
                None => job.map_or(DEFAULT_PORT, |job| derived_port(&job)),
            },
            prefix: "l3net".to_owned(),
            rank_0_serves: true,
        })
    }

    /// Whether srun started this process. A batch script or a shell of salloc has a number
    /// of tasks too, but they are not there: it would wait for them for ever.
    fn is_slurm_step(&self) -> bool {
        let step: Option<u64> = self.number("SLURM_STEP_ID").ok().flatten();
        step.is_some_and(|step| step < SLURM_SPECIAL_STEPS) && self.has("SLURM_PROCID")
    }

    fn slurm(&self) -> Result<World, String> {
        // The step's own number of tasks: those of the job may be more.
        let size = match self.number("SLURM_STEP_NUM_TASKS")? {
            Some(size) => size,
            None => self.needed("SLURM_NTASKS")?,
        };
        let nodes = [
            "SLURM_STEP_NODELIST",
            "SLURM_JOB_NODELIST",
            "SLURM_NODELIST",
        ];
        let first = || nodes.iter().find_map(|name| self.get(name));
        let host = self
            .get("MASTER_ADDR")
            .or_else(|| first().map(|list| first_node(&list)))
            .or_else(|| self.get("SLURM_LAUNCH_NODE_IPADDR"));
        let ids = ["SLURM_JOB_ID", "SLURM_STEP_ID"].map(|name| self.get(name).unwrap_or_default());
        Ok(World {
            rank: self.needed("SLURM_PROCID")?,
            size,
            host: host.ok_or("SLURM_STEP_NODELIST is not set, nor MASTER_ADDR")?,
            port: match self.number("MASTER_PORT")? {
                Some(port) => port,
                None => derived_port(&ids.join(".")),
            },
            prefix: "l3net".to_owned(),
            rank_0_serves: true,
        })
    }
}

/// A port that all processes of a job derive alike, and two jobs on a host differently.
fn derived_port(job: &str) -> u16 {
    let port =
        DERIVED_PORTS.start + fnv1a(job.as_bytes()) % (DERIVED_PORTS.end - DERIVED_PORTS.start);
    u16::try_from(port).unwrap_or(DEFAULT_PORT)
}

/// The first host of Slurm's list: `gpu[03-05,9],big1` begins with `gpu03`.
fn first_node(list: &str) -> String {
    match list.split_once(['[', ',']) {
        Some((start, rest)) if list[start.len()..].starts_with('[') => {
            let numbers = rest.split([']', ',', '-']).next().unwrap_or_default();
            format!("{start}{numbers}")
        }
        Some((first, _)) => first.to_owned(),
        None => list.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(variables: &[(&str, &str)]) -> Result<Option<World>, String> {
        World::from_env(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const TORCHRUN: [(&str, &str); 4] = [
        ("RANK", "1"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "a"),
        ("MASTER_PORT", "1234"),
    ];

    #[test]
    fn torchrun_says_it_all() {
        let found = world(&TORCHRUN).expect("fits").expect("two");
        assert_eq!((found.rank, found.size), (1, 2));
        assert_eq!((&*found.host, found.port), ("a", 1234));
        assert!(found.rank_0_serves);
        let agent = [
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RESTART_COUNT", "3"),
        ];
        let found = world(&[&TORCHRUN[..], &agent].concat());
        let found = found.expect("fits").expect("two");
        assert_eq!((found.rank_0_serves, &*found.prefix), (false, "l3net/3"));
    }

    #[test]
    fn alone_there_is_no_world() {
        assert_eq!(world(&[]), Ok(None));
        assert_eq!(world(&[("RANK", "0"), ("WORLD_SIZE", "1")]), Ok(None));
        // A batch script, and a shell in an allocation: no srun, nobody else is there.
        let batch = [
            ("SLURM_JOB_ID", "7"),
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "4"),
            ("SLURM_JOB_NODELIST", "n[1-4]"),
        ];
        assert_eq!(world(&batch), Ok(None));
        let step = [("SLURM_STEP_ID", "4294967291")];
        assert_eq!(world(&[&batch[..], &step].concat()), Ok(None));
        let shell = [("SLURM_STEP_ID", "0"), ("SLURM_STEP_NUM_TASKS", "1")];
        assert_eq!(world(&[&batch[..], &shell].concat()), Ok(None));
    }

    #[test]
    fn slurm_and_open_mpi_are_understood() {
        let step = [
            ("SLURM_JOB_ID", "7"),
            ("SLURM_STEP_ID", "0"),
            ("SLURM_PROCID", "3"),
            ("SLURM_NTASKS", "8"),
            ("SLURM_STEP_NUM_TASKS", "4"),
            ("SLURM_STEP_NODELIST", "gpu[03-05,9],big1"),
        ];
        let found = world(&step).expect("fits").expect("four");
        assert_eq!((found.rank, found.size, &*found.host), (3, 4, "gpu03"));
        assert!(DERIVED_PORTS.contains(&u64::from(found.port)));
        let mpi = [
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
            ("OMPI_COMM_WORLD_RANK", "1"),
        ];
        // Under Slurm, mpirun's own step is that of its daemons.
        let found = world(&[&step[..], &mpi].concat()).expect("fits");
        let found = found.expect("two");
        assert_eq!((found.rank, found.size, &*found.host), (1, 2, "127.0.0.1"));
        let spread = [mpi[0], ("OMPI_COMM_WORLD_LOCAL_SIZE", "1"), mpi[2]];
        let error = world(&spread).expect_err("where to meet");
        assert!(error.contains("-x MASTER_ADDR"), "{error}");
        assert_eq!(first_node("a1,a2"), "a1");
        assert_eq!(first_node("a1"), "a1");
        assert_eq!(first_node("r[7,9]n"), "r7");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let with = |name: &str, value: &str| {
            let others = TORCHRUN.iter().filter(|(key, _)| *key != name);
            let all: Vec<_> = others.copied().chain([(name, value)]).collect();
            world(&all).expect_err("does not fit")
        };
        assert!(with("WORLD_SIZE", "0").contains("is 0"));
        assert!(with("WORLD_SIZE", "many").contains("WORLD_SIZE=many"));
        assert!(with("RANK", "2").contains("rank 2 of 2"));
        assert!(with("MASTER_PORT", "70000").contains("MASTER_PORT=70000"));
        assert!(with("MASTER_ADDR", "").contains("MASTER_ADDR is not"));
        let error = world(&[("WORLD_SIZE", "2")]).expect_err("no rank");
        assert!(error.contains("RANK is not"), "{error}");
    }
}
