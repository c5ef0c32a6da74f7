//! The layers of a trunk by our own convolutions, for inference in f32 on the CPU.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, Tile, Workers};
use tch::{Kind, TchError, Tensor};

use super::norm::{Affine, LateNorm};
use super::stored::Stored;
use crate::net::layout::Modality;
use crate::net::weights::Weights;

/// Threads and memory that the trunks of a network work with, one after the other.
#[derive(Clone)]
pub(in crate::net) struct Memory(Arc<Mutex<InUse>>);

struct InUse {
    workers: Workers,
    /// The input of the trunk.
    values: Vec<f32>,
    /// Input and output of a layer, by turns.
    maps: [Map; 2],
}

impl Memory {
    /// For a number of threads, with the caller's.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(InUse {
            workers: Workers::new(threads)?,
            values: Vec::new(),
            maps: Default::default(),
        }))))
    }

    /// What a panic left behind is overwritten.
    fn lock(&self) -> MutexGuard<'_, InUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The layers of a trunk.
pub(super) struct OwnLayers {
    input_norm: Option<Affine>,
    late_norm: Option<LateNorm>,
    conv1_1: InputConv,
    /// conv1_2 to conv4_2.
    convs: Vec<Conv3x3>,
    memory: Memory,
}

impl OwnLayers {
    pub fn of(weights: &Weights, modality: Modality, memory: &Memory) -> Self {
        let isa = Isa::best();
        let first = Stored::of(weights, modality, 1, 1);
        let others = [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)];
        let convs = others.map(|(block, number)| {
            let stored = Stored::of(weights, modality, block, number);
            Conv3x3::new(&stored.kernels, &stored.bias, Tile::Four, isa)
        });
        Self {
            input_norm: Affine::of_input(weights, modality),
            late_norm: LateNorm::of(weights, modality),
            conv1_1: InputConv::new(&first.kernels, &first.bias, first.stride, isa),
            convs: convs.into(),
            memory: memory.clone(),
        }
    }

    /// From the input to conv4_2, `[B, 512, h, w]`, and pool4, `[B, 512]`.
    pub fn forward(&self, x: &Tensor, rectified: bool) -> Result<(Tensor, Tensor), TchError> {
        let mut memory = self.memory.lock();
        let conv4_2 = self.run(x, rectified, &mut memory)?;
        let pool4 = Tensor::f_from_slice(&conv4_2.max_over_positions())?
            .f_view([conv4_2.batch() as i64, conv4_2.channels() as i64])?;
        Ok((tensor(conv4_2)?, pool4))
    }

    /// From the input to conv4_2 before its ReLU.
    pub fn to_conv4_2(&self, x: &Tensor) -> Result<Tensor, TchError> {
        tensor(self.run(x, false, &mut self.memory.lock())?)
    }

    /// conv4_2, after a ReLU if `rectified`.
    fn run<'a>(
        &self,
        x: &Tensor,
        rectified: bool,
        memory: &'a mut InUse,
    ) -> Result<&'a Map, TchError> {
        let InUse {
            workers,
            values,
            maps: [x_map, y_map],
        } = memory;
        let size = read(x, values)?;
        if let Some(norm) = &self.input_norm {
            norm.apply(values);
        }
        // The map that was written last, and the one to write next.
        let (mut last, mut next) = (x_map, y_map);
        self.conv1_1.run(values, size, true, last, workers);
        for (i, conv) in self.convs.iter().enumerate() {
            // conv1_2, conv2_2 and conv3_2.
            let pool = matches!(i, 0 | 2 | 4);
            let relu = match i {
                0 => self.late_norm.is_none(),
                6 => rectified,
                _ => true,
            };
            conv.run(last, After { relu, pool }, next, workers);
            if let (0, Some(late)) = (i, &self.late_norm) {
                next.rectify_and_scale(&late.signs, &late.norm.gain, &late.norm.shift);
            }
            (last, next) = (next, last);
        }
        Ok(last)
    }
}

/// Copies the input, `[B, C, H, W]`, channels last, and returns B, H and W.
fn read(x: &Tensor, values: &mut Vec<f32>) -> Result<[usize; 3], TchError> {
    let (batch, _, height, width) = x.size4()?;
    // No copy where it is channels-last already.
    let x = x
        .f_to_kind(Kind::Float)?
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?;
    let len = x.numel();
    values.resize(len, 0.0);
    x.f_copy_data(values, len)?;
    Ok([batch, height, width].map(|n| usize::try_from(n).expect("a size is not negative")))
}

/// `[B, C, H, W]`, channels last in memory.
fn tensor(map: &Map) -> Result<Tensor, TchError> {
    let shape = [map.batch(), map.height(), map.width(), map.channels()].map(|n| n as i64);
    let values = match map.packed() {
        Some(values) => Tensor::f_from_slice(values)?,
        None => Tensor::f_from_slice(&map.to_channels_last())?,
    };
    values.f_view(shape)?.f_permute([0, 3, 1, 2])
}
