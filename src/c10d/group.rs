//! Collectives over Gloo.
#![allow(unsafe_code, reason = "calls of C functions")]

use std::ffi::c_int;
use std::ptr::null_mut;
use std::time::Duration;

use tch::Tensor;

use crate::ffi::{self, RawGroup, RawWork, check, milliseconds, text};
use crate::{C10dError, Store};

/// Where a process listens for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// An address of this machine, or a name of it.
    Address(String),
    /// A network interface, such as eth0.
    Name(String),
}

/// c10d's `ProcessGroupGloo`: processes of which each is connected with every other.
///
/// All of them make the same calls in the same order. Dropping it waits for what is still
/// under way: after a failure it is better leaked.
pub struct Group {
    raw: *mut RawGroup,
}

// SAFETY: the object is libtorch's, which knows no threads; `&mut self` keeps calls apart.
unsafe impl Send for Group {}

impl Group {
    /// Connects with the other processes, all of which call this with the same `store` and
    /// `size`. Work that takes longer than `timeout` fails.
    ///
    /// # Errors
    /// If the interface is unknown, or a process cannot be reached.
    pub fn connect(
        store: &Store,
        rank: usize,
        size: usize,
        interface: &Interface,
        timeout: Duration,
    ) -> Result<Self, C10dError> {
        let (host, is_interface) = match interface {
            Interface::Address(host) => (text(host)?, 0),
            Interface::Name(name) => (text(name)?, 1),
        };
        let number = |n: usize| c_int::try_from(n).map_err(|_| C10dError(format!("{n} processes")));
        let (rank, size) = (number(rank)?, number(size)?);
        let mut raw = null_mut();
        store.with(|store| {
            // SAFETY: the text lives over the call; the group holds its own reference to
            // the store.
            check(unsafe {
                ffi::l3net_c10d_group_new(
                    store,
                    rank,
                    size,
                    host.as_ptr(),
                    is_interface,
                    milliseconds(timeout),
                    &mut raw,
                )
            })
        })?;
        Ok(Self { raw })
    }

    /// Begins to replace a dense tensor on the CPU by the sum over all processes. It is not
    /// to be touched until the work is done.
    ///
    /// # Errors
    /// If the tensor is not of that kind.
    pub fn all_reduce(&mut self, tensor: &mut Tensor) -> Result<Work, C10dError> {
        let mut raw = null_mut();
        // SAFETY: tch's pointer is an `at::Tensor`; the work holds its own reference to it,
        // so the memory outlives the work whatever becomes of `tensor`.
        check(unsafe {
            ffi::l3net_c10d_all_reduce(self.raw, tensor.as_mut_ptr().cast(), &mut raw)
        })?;
        Ok(Work { raw })
    }

    /// Begins to replace a tensor by that of process 0, as [`all_reduce`](Self::all_reduce).
    ///
    /// # Errors
    /// If the tensor is not of that kind.
    pub fn broadcast(&mut self, tensor: &mut Tensor) -> Result<Work, C10dError> {
        let mut raw = null_mut();
        // SAFETY: as in `all_reduce`.
        check(unsafe {
            ffi::l3net_c10d_broadcast(self.raw, tensor.as_mut_ptr().cast(), &mut raw)
        })?;
        Ok(Work { raw })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: made by the shim, and dropped once.
        unsafe { ffi::l3net_c10d_group_drop(self.raw) }
    }
}

/// A collective that is under way.
pub struct Work {
    raw: *mut RawWork,
}

impl Work {
    /// Waits for at most so long; whether it is done.
    ///
    /// # Errors
    /// Why it failed, such as another process having gone.
    pub fn wait(&mut self, time: Duration) -> Result<bool, C10dError> {
        let mut done: c_int = 0;
        // SAFETY: made by the shim, and not dropped yet.
        check(unsafe { ffi::l3net_c10d_work_wait(self.raw, milliseconds(time), &mut done) })?;
        Ok(done != 0)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: made by the shim, and dropped once; libtorch keeps what still runs.
        unsafe { ffi::l3net_c10d_work_drop(self.raw) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn done(mut work: Work) -> Result<(), C10dError> {
        while !work.wait(Duration::from_millis(20))? {}
        Ok(())
    }

    #[test]
    fn sums_and_broadcasts_reach_all_and_a_process_that_has_gone_is_an_error() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("its number").port();
        drop(socket);
        let member = move |rank: usize, store: Store| {
            let here = Interface::Address("127.0.0.1".to_owned());
            let mut group = Group::connect(&store, rank, 3, &here, LIMIT).expect("connected");
            let own = rank as f32 + 1.0;
            let mut tensor = Tensor::from_slice(&[own, 10.0 * own]);
            done(group.all_reduce(&mut tensor).expect("begun")).expect("a sum");
            let sum = Vec::<f32>::try_from(&tensor).expect("values");
            let mut tensor = Tensor::from_slice(&[own]);
            done(group.broadcast(&mut tensor).expect("begun")).expect("passed on");
            let first = Vec::<f32>::try_from(&tensor).expect("values");
            if rank == 2 {
                return (sum, first, None);
            }
            let mut tensor = Tensor::from_slice(&[own]);
            let lost = group.all_reduce(&mut tensor).and_then(done);
            (sum, first, lost.err())
        };
        let first = Store::serve(port, "g", LIMIT).expect("a server");
        let others = [1, 2].map(|rank| {
            let store = Store::connect("127.0.0.1", port, "g", LIMIT).expect("connected");
            thread::spawn(move || member(rank, store))
        });
        let mut all = vec![member(0, first)];
        all.extend(others.map(|other| other.join().expect("no panic")));
        for (rank, (sum, first, lost)) in all.into_iter().enumerate() {
            assert_eq!((sum, first), (vec![6.0, 60.0], vec![1.0]));
            assert_eq!(lost.is_some(), rank != 2, "{lost:?}");
        }
    }
}
