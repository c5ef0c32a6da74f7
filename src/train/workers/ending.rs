//! How a run of several processes ends before its time, and what each of them says.

use tch::TchError;

/// The first thing that ended a run; all processes agree on it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ending {
    /// The process that it happened to.
    pub rank: usize,
    /// Its host.
    pub host: String,
    /// What happened.
    pub cause: String,
    /// It was asked to stop: no failure.
    pub stopped: bool,
    /// It has died or hangs: it cannot tell it itself.
    pub silent: bool,
}

impl Ending {
    /// What process `me` says: all of it if it is the one concerned or rank 0, else a
    /// short line, so that a hundred processes do not tell the same story.
    pub fn told_by(&self, me: usize) -> String {
        let Self {
            rank, host, cause, ..
        } = self;
        match me == 0 || me == *rank || (*rank == 0 && self.silent) {
            true => format!("rank {rank} ({host}): {cause}"),
            false => format!("rank {me}: ended because of rank {rank} ({host})"),
        }
    }
}

/// Several processes cannot go on together.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// They did not come together.
    #[error("rank {rank} ({host}): {cause}")]
    NotTogether {
        /// This process.
        rank: usize,
        /// Its host.
        host: String,
        /// What is wrong, and the next step.
        cause: String,
    },
    /// The run has ended for all of them.
    #[error("{}", ending.told_by(*me))]
    Ended {
        /// Why.
        ending: Ending,
        /// This process.
        me: usize,
    },
    /// libtorch failed.
    #[error("{0}")]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_concerned_and_rank_0_tell_it_all() {
        let mut ending = Ending {
            rank: 2,
            host: "node7".to_owned(),
            cause: "no such file".to_owned(),
            stopped: false,
            silent: true,
        };
        let all = "rank 2 (node7): no such file";
        assert_eq!([0, 2].map(|me| ending.told_by(me)), [all, all]);
        let short = "rank 1: ended because of rank 2 (node7)";
        assert_eq!(ending.told_by(1), short);
        // A rank 0 that has gone tells nothing.
        ending.rank = 0;
        assert_eq!(ending.told_by(3), "rank 0 (node7): no such file");
        ending.silent = false;
        assert_eq!(ending.told_by(3), "rank 3: ended because of rank 0 (node7)");
    }
}
