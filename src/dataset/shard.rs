//! The share of the sources that one of many processes takes.
//!
//! Belongs here: which source is in which shard, and which shard a cluster's scheduler
//! means. Does not: files of a shard ([`super::Dataset`]).

use std::fmt;
use std::str::FromStr;

use crate::hash::{fnv1a, mix};

/// Share `index` of `count`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1, and over `index`.
    pub count: u32,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether the source of this name is in it. That depends on the name alone, so that
    /// lists of sources may grow and be in any order: FNV-1a of the name's UTF-8, mixed by
    /// the last steps of SplitMix64, modulo `count`.
    pub fn holds(self, name: &str) -> bool {
        let share = mix(fnv1a(name.as_bytes())) % u64::from(self.count);
        share == u64::from(self.index)
    }

    /// The names of its files begin so: `part-00003-of-00020`.
    pub fn stem(self) -> String {
        format!("part-{:05}-of-{:05}", self.index, self.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

/// What `--shard` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedShard {
    /// `I/N`.
    This(Shard),
    /// `/N`: which one, the scheduler says.
    OneOf(u32),
}

impl FromStr for AskedShard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: not I/N, as 3/20, nor /N");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let count: u32 = count.parse().map_err(|_| wrong())?;
        if count == 0 {
            return Err(format!("{text}: there is at least one shard"));
        }
        if index.is_empty() {
            return Ok(Self::OneOf(count));
        }
        let index = index.parse().map_err(|_| wrong())?;
        within(index, count).map(Self::This)
    }
}

fn within(index: u32, count: u32) -> Result<Shard, String> {
    match index < count {
        true => Ok(Shard { index, count }),
        false => Err(format!(
            "shard {index} of {count}: they count from 0 to {}",
            count - 1
        )),
    }
}

/// Variables in which schedulers number the processes of one job, and in which, if any, they
/// say how many there are.
const SCHEDULERS: [(&str, Option<&str>); 3] = [
    ("SLURM_ARRAY_TASK_ID", Some("SLURM_ARRAY_TASK_COUNT")),
    // An Indexed Job of Kubernetes.
    ("JOB_COMPLETION_INDEX", None),
    (
        "AWS_BATCH_JOB_ARRAY_INDEX",
        Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    ),
];

/// A number that a scheduler gave this process.
struct Given {
    variable: &'static str,
    index: u32,
    count: Option<u32>,
}

fn given(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Given>, String> {
    let number = |name: &str| match variable(name) {
        None => Ok(None),
        Some(text) => match text.trim().parse::<u32>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name}={text}: not a number")),
        },
    };
    for (name, count) in SCHEDULERS {
        if let Some(index) = number(name)? {
            return Ok(Some(Given {
                variable: name,
                index,
                count: count.map(number).transpose()?.flatten(),
            }));
        }
    }
    Ok(None)
}

/// The shard that this process takes. `recorded` is how many the run into this OUT has, if
/// it has begun; the `variable`s are those of the environment.
///
/// Part of a job array (`--array=3,7-9`) is told its own size, not that of the run: the
/// recorded number goes before the scheduler's, never before `asked`.
///
/// # Errors
/// One line: what does not fit, and what to say instead.
pub fn resolve(
    asked: Option<AskedShard>,
    recorded: Option<u32>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let count = match asked {
        Some(AskedShard::This(shard)) => return Ok(shard),
        Some(AskedShard::OneOf(count)) => Some(count),
        None => None,
    };
    let Some(given) = given(variable)? else {
        return match count {
            None => Ok(Shard::WHOLE),
            Some(count) => Err(format!(
                "--shard /{count}: which one? None of {} is set; say --shard I/{count}",
                SCHEDULERS.map(|(name, _)| name).join(", ")
            )),
        };
    };
    let Some(count) = count.or(recorded).or(given.count) else {
        return Err(format!(
            "{} is set, but not of how many: say --shard /N (or --shard 0/1 for all)",
            given.variable
        ));
    };
    within(given.index, count).map_err(|error| format!("{}: {error}", given.variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        asked: &str,
        recorded: Option<u32>,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let asked = match asked {
            "" => None,
            text => Some(text.parse()?),
        };
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        resolve(asked, recorded, variable).map(|shard| shard.stem())
    }

    #[test]
    fn a_shard_is_what_was_asked_for_else_what_the_scheduler_says() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "20"),
        ];
        let slurm_part = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ];
        let kubernetes = [("JOB_COMPLETION_INDEX", "3")];
        let aws = [
            ("AWS_BATCH_JOB_ARRAY_INDEX", "0"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "9"),
        ];
        type Case<'a> = (&'a str, Option<u32>, &'a [(&'a str, &'a str)], &'a str);
        let good: &[Case<'_>] = &[
            ("", None, &[], "part-00000-of-00001"),
            ("3/20", None, &[], "part-00003-of-00020"),
            ("3/20", Some(9), &slurm, "part-00003-of-00020"),
            ("", None, &slurm, "part-00007-of-00020"),
            ("/30", None, &slurm, "part-00007-of-00030"),
            ("", Some(20), &slurm_part, "part-00007-of-00020"),
            ("/20", None, &kubernetes, "part-00003-of-00020"),
            ("", Some(20), &kubernetes, "part-00003-of-00020"),
            ("", None, &aws, "part-00000-of-00009"),
            ("0/1", None, &aws, "part-00000-of-00001"),
        ];
        for (asked, recorded, variables, stem) in good {
            let got = with(asked, *recorded, variables);
            assert_eq!(got.as_deref(), Ok(*stem), "{asked} {recorded:?}");
        }
        let bad: &[Case<'_>] = &[
            ("3", None, &[], "not I/N"),
            ("x/3", None, &[], "not I/N"),
            ("-1/3", None, &[], "not I/N"),
            ("3/0", None, &[], "at least one"),
            ("20/20", None, &[], "from 0 to 19"),
            ("/20", None, &[], "--shard I/20"),
            ("", None, &kubernetes, "--shard /N"),
            ("", None, &slurm_part, "from 0 to 3"),
            ("/5", None, &slurm, "from 0 to 4"),
            ("", None, &[("SLURM_ARRAY_TASK_ID", "x")], "not a number"),
        ];
        for (asked, recorded, variables, said) in bad {
            let error = with(asked, *recorded, variables).expect_err(asked);
            assert!(error.contains(said), "{asked}: {error}");
        }
    }

    #[test]
    fn shards_share_all_names_evenly_and_for_ever() {
        // By an independent implementation (Python, 64-bit integers):
        //   h = 0xcbf29ce484222325
        //   for b in name.encode(): h = (h ^ b) * 0x100000001b3 % 2**64
        //   h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9 % 2**64
        //   h = (h ^ h >> 27) * 0x94d049bb133111eb % 2**64
        //   (h ^ h >> 31) % 20
        for (name, index) in [
            ("", 3),
            ("clip.mp4", 17),
            ("clips/000001.mp4", 15),
            ("clips/000002.mp4", 19),
            ("Ä/b c.mkv", 1),
            ("https://example.org/a.mp4", 2),
        ] {
            let holds = |&index: &u32| Shard { index, count: 20 }.holds(name);
            let holding: Vec<u32> = (0..20).filter(holds).collect();
            assert_eq!(holding, [index], "{name}");
        }
        let names: Vec<String> = (0..10_000).map(|n| format!("clips/{n:06}.mp4")).collect();
        for count in [2, 7, 100] {
            let of = |index| {
                let shard = Shard { index, count };
                names.iter().filter(|name| shard.holds(name)).count()
            };
            let sizes: Vec<usize> = (0..count).map(of).collect();
            assert_eq!(sizes.iter().sum::<usize>(), names.len());
            let even = names.len() as f64 / f64::from(count);
            // Five standard deviations.
            let off = 5.0 * even.sqrt();
            assert!(
                sizes.iter().all(|&size| (size as f64 - even).abs() < off),
                "{sizes:?}"
            );
        }
    }
}
