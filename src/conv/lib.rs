//! 3×3 convolutions in f32 on the CPU, for networks that run all the time.
//!
//! Belongs here: the layers of the network's trunks, each with what follows it (bias,
//! ReLU, 2 × 2 maximum), and the threads that share one. Does not: which layers a trunk
//! has, its weights, libtorch.
//!
//! - [`InputConv`], straight from the definition, from a network's input of 1 or 3
//!   channels to the first [`Map`].
//! - [`Conv3x3`], by Winograd's algorithm, from map to map.
//! - [`Workers`], threads that sleep between layers.
//!
//! What is fixed is prepared once: kernels are transformed in f64 and laid out in the
//! order in which they are read. Maps and the memory of threads are reused: with steady
//! shapes a layer allocates nothing. Where memory is short, a layer says so
//! ([`OutOfMemory`]) before it has computed anything.
//!
//! ```
//! use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, Tile, Workers};
//!
//! let mut workers = Workers::new(2)?;
//! let isa = Isa::best();
//! let first = InputConv::new(&[0.1; 64 * 3 * 9], &[0.0; 64], 2, isa)?;
//! let second = Conv3x3::new(&[0.01; 64 * 64 * 9], &[0.0; 64], Tile::Four, isa)?;
//!
//! let picture = vec![1.0; 224 * 224 * 3];
//! let (mut x, mut y) = (Map::default(), Map::default());
//! first.run(&picture, [1, 224, 224], true, &mut x, &mut workers)?;
//! let after = After { relu: true, pool: true };
//! second.run(&x, after, &mut y, &mut workers)?;
//! assert_eq!((y.height(), y.width(), y.channels()), (56, 56, 64));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Unsafe code is in the modules of the kernels (`simd`, `gemm`, `winograd/points.rs`,
//! `tile.rs` and `peak`), in the two that hand a layer's output to several threads
//! (`winograd/block.rs` and `direct`), and in that of the threads (`pool`).

mod buffer;
mod direct;
mod gemm;
mod map;
pub mod peak;
mod pool;
mod simd;
mod winograd;
mod workers;

pub use buffer::OutOfMemory;
pub use direct::InputConv;
pub use map::Map;
pub use simd::Isa;
pub use winograd::{After, Conv3x3, Tile};
pub use workers::Workers;

/// Output and input channels of a layer: of kernels `[out, in, 3, 3]` and a bias for each
/// output channel.
///
/// # Panics
/// If there are none, the numbers of values do not fit each other, or the CPU does not have
/// `isa`.
fn channels_of(kernels: &[f32], bias: &[f32], isa: Isa) -> (usize, usize) {
    let channels = bias.len();
    assert!(channels > 0, "a convolution has output channels");
    let channels_in = kernels.len() / (9 * channels);
    assert!(channels_in > 0, "a convolution has input channels");
    assert_eq!(
        kernels.len(),
        channels * channels_in * 9,
        "kernels of 3 × 3"
    );
    assert!(isa.is_available(), "the CPU has no {isa}");
    (channels, channels_in)
}
