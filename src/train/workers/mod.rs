//! Training in several processes: each computes the gradient of its part of a batch, and
//! all make the same step with the mean.
//!
//! In the order of a run: a [`World`] is what the launcher says, a [`Team`] are the
//! processes once they have met, [`Workers`] what the training loop sees of them. Design
//! and figures: `design/scale.md`.

mod ending;
mod exchange;
mod meeting;
mod pace;
mod team;
mod watch;
mod world;

use std::sync::MutexGuard;

use tch::{Device, Tensor};

pub use self::ending::{Ending, WorkersError};
pub use self::exchange::{Heard, Told};
pub use self::pace::{Pace, Slow};
pub use self::team::Team;
pub use self::world::World;

/// The processes of a run: this one alone, or a team.
pub struct Workers(Option<Team>);

impl Workers {
    /// One process.
    pub fn alone() -> Self {
        Self(None)
    }

    /// The processes of a team.
    pub fn team(team: Team) -> Self {
        Self(Some(team))
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, Team::rank)
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, Team::size)
    }

    /// Whether this process validates, saves and reports.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The team, if there are several processes.
    pub fn as_team(&self) -> Option<&Team> {
        self.0.as_ref()
    }

    /// The same, to exchange tensors.
    pub fn as_team_mut(&mut self) -> Option<&mut Team> {
        self.0.as_mut()
    }

    /// Held while files are written: a process whose run has ended is not ended meanwhile.
    pub fn writing(&self) -> Option<MutexGuard<'_, ()>> {
        self.0.as_ref().map(|team| team.watch().writing())
    }

    /// The team, if there are several processes, to leave it.
    pub fn into_team(self) -> Option<Team> {
        self.0
    }

    /// The mean of the gradients of all processes, and what they told; of one process, its
    /// own.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn exchange(
        &mut self,
        gradient: Tensor,
        told: &Told,
    ) -> Result<(Tensor, Heard), WorkersError> {
        match &mut self.0 {
            Some(team) => exchange::exchange(team, &gradient, told),
            None => {
                let heard = Heard {
                    score: told.score,
                    pairs: told.pairs,
                    seconds: vec![told.seconds],
                    stop: told.stop,
                    save: told.save,
                };
                Ok((gradient, heard))
            }
        }
    }

    /// Replaces tensors by their means over all processes.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn average(&mut self, tensors: &mut [Tensor]) -> Result<(), WorkersError> {
        let Some(team) = &mut self.0 else {
            return Ok(());
        };
        let size = team.size() as f64;
        in_one(tensors, |all| {
            team.sum(all)?;
            let _ = all.f_div_scalar_(size)?;
            Ok(())
        })
    }

    /// Replaces tensors by those of rank 0.
    ///
    /// # Errors
    /// If the run has ended.
    pub fn share(&mut self, tensors: &mut [Tensor]) -> Result<(), WorkersError> {
        match &mut self.0 {
            Some(team) => in_one(tensors, |all| team.broadcast(all)),
            None => Ok(()),
        }
    }
}

/// Passes tensors on as one vector, which takes one message instead of many, and puts the
/// result in their place.
fn in_one(
    tensors: &mut [Tensor],
    pass: impl FnOnce(&mut Tensor) -> Result<(), WorkersError>,
) -> Result<(), WorkersError> {
    let _guard = tch::no_grad_guard();
    let mut flat = Vec::with_capacity(tensors.len());
    for tensor in &*tensors {
        flat.push(tensor.f_reshape([-1])?.f_to(Device::Cpu)?);
    }
    if flat.is_empty() {
        return Ok(());
    }
    let mut all = Tensor::f_cat(&flat, 0)?;
    pass(&mut all)?;
    let mut start = 0;
    for tensor in tensors {
        let len = tensor.numel() as i64;
        let part = all.f_narrow(0, start, len)?.f_reshape(tensor.size())?;
        tensor.f_copy_(&part)?;
        start += len;
    }
    Ok(())
}
