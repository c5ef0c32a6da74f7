//! The layers of a trunk by our own convolutions, for inference in f32 on the CPU.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, OutOfMemory, Tile, Workers};
use tch::{Kind, TchError, Tensor};

use super::norm::{Affine, LateNorm};
use super::stored::Stored;
use crate::net::error::NetError;
use crate::net::layout::Modality;
use crate::net::weights::Weights;

/// Values of conv1_1 that a thread has at a time, about: what its caches keep. A batch of
/// 16 takes a tenth longer at once than two by two, and eight times the memory.
const AT_ONCE: usize = 1 << 20;

/// Parts of batches after which memory is freed of which none of them needed half.
const TRIM_AFTER: usize = 32;

/// Threads and memory that the trunks of a network work with, one after the other.
#[derive(Clone)]
pub(in crate::net) struct Memory(Arc<Mutex<InUse>>);

struct InUse {
    workers: Workers,
    /// The input of the trunk.
    values: Vec<f32>,
    /// Input and output of a layer, by turns.
    maps: [Map; 2],
    /// Parts of batches since memory was trimmed.
    parts: usize,
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
            parts: 0,
        }))))
    }

    /// What a panic left behind is overwritten.
    fn lock(&self) -> MutexGuard<'_, InUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    /// Frees what a large picture took, once pictures are small again.
    fn trim(&mut self) {
        self.parts += 1;
        if self.parts < TRIM_AFTER {
            return;
        }
        self.parts = 0;
        self.workers.trim();
        self.maps.iter_mut().for_each(Map::trim);
        if 2 * self.values.len() < self.values.capacity() {
            self.values = Vec::new();
        }
    }
}

/// The layers of a trunk.
pub(super) struct OwnLayers {
    input_norm: Option<Affine>,
    late_norm: Option<LateNorm>,
    conv1_1: InputConv,
    /// Channels of the input.
    channels_in: i64,
    stride: usize,
    /// conv1_2 to conv4_2.
    convs: Vec<Conv3x3>,
    memory: Memory,
}

impl OwnLayers {
    /// # Errors
    /// If weights do not fit each other, or there is too little memory.
    pub fn of(weights: &Weights, modality: Modality, memory: &Memory) -> Result<Self, NetError> {
        let isa = Isa::best();
        let first = checked(weights, modality, (1, 1), modality.channels_in())?;
        let others = [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)];
        let mut convs = Vec::with_capacity(others.len());
        let mut channels = first.channels;
        for place in others {
            let stored = checked(weights, modality, place, channels)?;
            channels = stored.channels;
            convs.push(Conv3x3::new(
                &stored.kernels,
                &stored.bias,
                Tile::Four,
                isa,
            )?);
        }
        Ok(Self {
            input_norm: Affine::of_input(weights, modality),
            late_norm: LateNorm::of(weights, modality),
            conv1_1: InputConv::new(&first.kernels, &first.bias, first.stride, isa)?,
            channels_in: first.channels_in as i64,
            stride: first.stride,
            convs,
            memory: memory.clone(),
        })
    }

    /// From the input to conv4_2, `[B, 512, h, w]`, and pool4, `[B, 512]`.
    pub fn forward(&self, x: &Tensor, rectified: bool) -> Result<(Tensor, Tensor), NetError> {
        let mut pool4 = Vec::new();
        let conv4_2 = self.in_parts(x, rectified, |map| pool4.extend(map.max_over_positions()))?;
        let (batch, channels, ..) = conv4_2.size4()?;
        Ok((
            conv4_2,
            Tensor::f_from_slice(&pool4)?.f_view([batch, channels])?,
        ))
    }

    /// From the input to conv4_2 before its ReLU.
    pub fn to_conv4_2(&self, x: &Tensor) -> Result<Tensor, NetError> {
        self.in_parts(x, false, |_| ())
    }

    /// conv4_2, after a ReLU if `rectified`, some of the batch at a time; `also` sees each.
    fn in_parts(
        &self,
        x: &Tensor,
        rectified: bool,
        mut also: impl FnMut(&Map),
    ) -> Result<Tensor, NetError> {
        let (batch, channels, height, width) = x.size4()?;
        if channels != self.channels_in {
            return Err(NetError::Shape {
                what: "an input of a trunk".to_owned(),
                found: x.size(),
                expected: vec![batch, self.channels_in, height, width],
            });
        }
        let mut memory = self.memory.lock();
        let at_once = self.at_once(height, width, memory.workers.threads());
        let mut parts = Vec::new();
        let mut first = 0;
        // An empty batch has one part, which is empty.
        while first < batch || parts.is_empty() {
            let part = x.f_narrow(0, first, at_once.min(batch - first))?;
            let map = self.run(&part, rectified, &mut memory)?;
            also(map);
            parts.push(tensor(map)?);
            memory.trim();
            first += at_once;
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Ok(Tensor::f_cat(&parts, 0)?),
        }
    }

    /// Inputs of a size that are computed at a time.
    fn at_once(&self, height: i64, width: i64, threads: usize) -> i64 {
        let stride = self.stride as f64;
        let values = height as f64 / stride * width as f64 / stride * CONV1_CHANNELS;
        ((AT_ONCE * threads) as f64 / values.max(1.0)).max(1.0) as i64
    }

    /// conv4_2, after a ReLU if `rectified`.
    fn run<'a>(
        &self,
        x: &Tensor,
        rectified: bool,
        memory: &'a mut InUse,
    ) -> Result<&'a Map, NetError> {
        let InUse {
            workers,
            values,
            maps: [x_map, y_map],
            ..
        } = memory;
        let size = read(x, values)?;
        if let Some(norm) = &self.input_norm {
            norm.apply(values);
        }
        // The map that was written last, and the one to write next.
        let (mut last, mut next) = (x_map, y_map);
        self.conv1_1.run(values, size, true, last, workers)?;
        for (i, conv) in self.convs.iter().enumerate() {
            // conv1_2, conv2_2 and conv3_2.
            let pool = matches!(i, 0 | 2 | 4);
            let relu = match i {
                0 => self.late_norm.is_none(),
                6 => rectified,
                _ => true,
            };
            conv.run(last, After { relu, pool }, next, workers)?;
            if let (0, Some(late)) = (i, &self.late_norm) {
                next.rectify_and_scale(&late.signs, &late.norm.gain, &late.norm.shift);
            }
            (last, next) = (next, last);
        }
        Ok(last)
    }
}

/// Channels of conv1_1.
const CONV1_CHANNELS: f64 = 64.0;

/// A convolution that takes so many channels.
fn checked(
    weights: &Weights,
    modality: Modality,
    (block, number): (usize, usize),
    channels_in: usize,
) -> Result<Stored, NetError> {
    let stored = Stored::of(weights, modality, block, number);
    let found = [stored.kernels.len(), stored.bias.len()];
    let expected = [stored.channels * channels_in * 9, stored.channels];
    if found == expected && stored.channels_in == channels_in {
        return Ok(stored);
    }
    Err(NetError::Shape {
        what: format!(
            "kernels and bias of {}.conv{block}_{number}",
            modality.name()
        ),
        found: found.map(|n| n as i64).into(),
        expected: expected.map(|n| n as i64).into(),
    })
}

/// Copies the input, `[B, C, H, W]`, channels last, and returns B, H and W.
fn read(x: &Tensor, values: &mut Vec<f32>) -> Result<[usize; 3], NetError> {
    let (batch, _, height, width) = x.size4()?;
    let len = x.numel();
    values.clear();
    let refused = |_| OutOfMemory { values: len };
    values.try_reserve_exact(len).map_err(refused)?;
    // No copy where it is channels-last already.
    let x = x
        .f_to_kind(Kind::Float)?
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?;
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
