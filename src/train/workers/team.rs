//! The processes of a run: how they agree and exchange tensors.
//!
//! Belongs here: the keys of the store and the collectives. Does not: how they find each
//! other (`meeting`), what is exchanged in a step (`exchange`), noticing who has died
//! (`watch`).

use std::collections::BTreeMap;
use std::time::Duration;

use l3net_c10d::{C10dError, Group, Store, Work};
use tch::Tensor;

use super::ending::{Ending, WorkersError};
use super::meeting::{Met, PAUSE, host_name, meet};
use super::watch::Watch;
use super::world::World;
use crate::cancel::CancelToken;

/// How long one collective may take: longer than any validation, which the others wait
/// for. Who is dead is noticed elsewhere.
const COLLECTIVE: Duration = Duration::from_secs(86_400);

/// This process among those of a run.
pub struct Team {
    rank: usize,
    /// Of each process.
    hosts: Vec<String>,
    store: Store,
    watch: Watch,
    /// Leaked after a failure: dropping it waits for those that have died.
    group: std::mem::ManuallyDrop<Group>,
}

impl Team {
    /// Meets the other processes of `world` and connects with each. Waits for `patience`,
    /// or until `stop`.
    ///
    /// # Errors
    /// Names who did not come, or the address or port that cannot be used.
    pub fn join(
        world: &World,
        patience: Duration,
        stop: &CancelToken,
    ) -> Result<Self, WorkersError> {
        let (rank, size) = (world.rank, world.size);
        let refuse = |cause: String| WorkersError::NotTogether {
            rank,
            host: host_name(),
            cause,
        };
        let met = meet(world, patience, stop).map_err(&refuse)?;
        let Met {
            store,
            for_watch,
            hosts,
            interface,
        } = met;
        let watch = Watch::start(for_watch, rank, hosts.clone())
            .map_err(|error| refuse(format!("cannot start a thread: {error}")))?;
        let group = Group::connect(&store, rank, size, &interface, COLLECTIVE)
            .map_err(|error| refuse(format!("cannot connect with the others: {error}")))?;
        Ok(Self {
            rank,
            hosts,
            store,
            watch,
            group: std::mem::ManuallyDrop::new(group),
        })
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.hosts.len()
    }

    /// The host of a process.
    pub fn host(&self, rank: usize) -> &str {
        &self.hosts[rank]
    }

    /// The processes on this host.
    pub fn on_this_host(&self) -> Vec<usize> {
        let here = &self.hosts[self.rank];
        (0..self.size())
            .filter(|&r| self.hosts[r] == *here)
            .collect()
    }

    /// Watches who is there.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Runs `work` in the first process of each host, then in its others: what the first
    /// puts into the host's cache, these find there.
    ///
    /// # Errors
    /// Those of `work`, or the run has ended meanwhile.
    pub fn in_turn<T, E: From<WorkersError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let first = self.on_this_host()[0];
        let key = format!("turn/{first}");
        if first != self.rank {
            self.await_key(&key)?;
        }
        let done = work()?;
        if first == self.rank {
            self.told(self.store.set(&key, b""))?;
        }
        Ok(done)
    }

    /// Tells the others something, once for each key.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn tell(&self, key: &str, value: &str) -> Result<(), WorkersError> {
        self.told(self.store.set(&format!("told/{key}"), value.as_bytes()))
    }

    /// What a process tells; waits for it.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn hear(&self, key: &str) -> Result<String, WorkersError> {
        let value = self.await_key(&format!("told/{key}"))?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// Compares what has to be the same in all processes: names with their values.
    /// Returns once all agree.
    ///
    /// # Errors
    /// Names the first that differs, and its rank.
    pub fn agree(&self, facts: &[(String, String)]) -> Result<(), WorkersError> {
        let mine: BTreeMap<_, _> = facts.iter().cloned().collect();
        let text = serde_json::to_string(&mine).expect("text");
        self.tell(&format!("facts/{}", self.rank), &text)?;
        if self.rank > 0 {
            return self.hear("agreed").map(drop);
        }
        for rank in 1..self.size() {
            let text = self.hear(&format!("facts/{rank}"))?;
            let theirs: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
            if let Some(what) = difference(&mine, &theirs) {
                return Err(self.ended(self.watch.end(rank, what, false)));
            }
        }
        self.tell("agreed", "")
    }

    /// Replaces a tensor by the sum over all processes.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn sum(&mut self, tensor: &mut Tensor) -> Result<(), WorkersError> {
        let work = self.group.all_reduce(tensor);
        self.finish(work)
    }

    /// Replaces a tensor by that of rank 0.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn broadcast(&mut self, tensor: &mut Tensor) -> Result<(), WorkersError> {
        let work = self.group.broadcast(tensor);
        self.finish(work)
    }

    /// Ends the run for all, unless it has ended; why it has, for all.
    pub fn end(&self, cause: String, stopped: bool) -> Ending {
        self.watch.end(self.rank, cause, stopped)
    }

    /// Leaves; rank 0 last, who keeps the store.
    pub fn leave(self) {
        self.watch.leave();
    }

    fn finish(&self, work: Result<Work, C10dError>) -> Result<(), WorkersError> {
        let lost = |error: C10dError| self.ended(self.watch.lost(error.0));
        let mut work = work.map_err(lost)?;
        while !work.wait(PAUSE * 4).map_err(lost)? {
            self.check()?;
        }
        Ok(())
    }

    fn await_key(&self, key: &str) -> Result<Vec<u8>, WorkersError> {
        loop {
            self.check()?;
            if self.told(self.store.has(key))? {
                return self.told(self.store.get(key));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn check(&self) -> Result<(), WorkersError> {
        match self.watch.ending() {
            Some(ending) => Err(self.ended(ending.clone())),
            None => Ok(()),
        }
    }

    fn told<T>(&self, answer: Result<T, C10dError>) -> Result<T, WorkersError> {
        answer.map_err(|error| self.ended(self.watch.lost(error.0)))
    }

    fn ended(&self, ending: Ending) -> WorkersError {
        WorkersError::Ended {
            ending,
            me: self.rank,
        }
    }
}

/// What the first fact that differs is in another process.
fn difference(
    mine: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
) -> Option<String> {
    let names = mine.keys().chain(theirs.keys());
    let none = "nothing".to_owned();
    let of =
        |facts: &BTreeMap<String, String>, name: &String| facts.get(name).unwrap_or(&none).clone();
    let name = names
        .into_iter()
        .find(|name| of(mine, name) != of(theirs, name))?;
    Some(format!(
        "has {name} {}, rank 0 has {}; start all with the same",
        of(theirs, name),
        of(mine, name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let facts = |seed: &str| -> BTreeMap<String, String> {
            let all = [("--batch", "4"), ("--seed", seed)];
            all.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        };
        assert_eq!(difference(&facts("1"), &facts("1")), None);
        let what = difference(&facts("0"), &facts("1")).expect("differs");
        assert!(what.starts_with("has --seed 1, rank 0 has 0"), "{what}");
        let what = difference(&facts("0"), &BTreeMap::new()).expect("differs");
        assert!(what.starts_with("has --batch nothing"), "{what}");
    }
}
