//! The layers of a trunk by our own convolutions, for inference in f32 on the CPU.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, OutOfMemory, Tile, Workers};
use tch::{Kind, TchError, Tensor};

use super::norm::{Affine, LateNorm};
use super::overlap::{Heard, Known, Overlap};
use super::stored::Stored;
use crate::net::error::NetError;
use crate::net::layout::Modality;
use crate::net::weights::Weights;
use crate::sync::lock;

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
        lock(&self.0)
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
    /// Of sound, which comes in windows that may overlap.
    heard: Option<Mutex<Heard>>,
}

const RELU: After = After {
    relu: true,
    pool: false,
};

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
        let input_norm = Affine::of_input(weights, modality);
        let late_norm = LateNorm::of(weights, modality);
        // OpenL3's front ends have no columns in common: their step divides no hop.
        let overlaps = modality == Modality::Audio && input_norm.is_none() && late_norm.is_none();
        Ok(Self {
            heard: overlaps.then(|| Mutex::new(Heard::new(first.stride))),
            input_norm,
            late_norm,
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
        let mut heard = self.heard.as_ref().map(|heard| lock(heard));
        let conv4_2 = self.in_parts(x, rectified, heard.as_deref_mut(), |map| {
            pool4.extend(map.max_over_positions());
        })?;
        let (batch, channels, ..) = conv4_2.size4()?;
        Ok((
            conv4_2,
            Tensor::f_from_slice(&pool4)?.f_view([batch, channels])?,
        ))
    }

    /// From the input to conv4_2 before its ReLU.
    pub fn to_conv4_2(&self, x: &Tensor) -> Result<Tensor, NetError> {
        self.in_parts(x, false, None, |_| ())
    }

    /// conv4_2, after a ReLU if `rectified`, some of the batch at a time; `also` sees each.
    /// Windows that overlap with those of `heard` are computed in part.
    fn in_parts(
        &self,
        x: &Tensor,
        rectified: bool,
        mut heard: Option<&mut Heard>,
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
            let mut size = read(&part, &mut memory.values)?;
            let next = heard.as_deref_mut().and_then(|heard| {
                let overlap = next_of(heard, &mut memory.values, &mut size)?;
                Some((heard, overlap))
            });
            let map = match next {
                Some((heard, overlap)) => {
                    self.run_overlapping(size, rectified, &overlap, heard, &mut memory)?
                }
                None => self.run(size, rectified, &mut memory)?,
            };
            also(map);
            parts.push(tensor(map)?);
            memory.trim();
            first += size[0].max(1) as i64;
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

    /// conv4_2 of the input in memory, after a ReLU if `rectified`.
    fn run<'a>(
        &self,
        size: [usize; 3],
        rectified: bool,
        memory: &'a mut InUse,
    ) -> Result<&'a Map, NetError> {
        let InUse {
            workers,
            values,
            maps: [x_map, y_map],
            ..
        } = memory;
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

    /// The same of a window of sound of which a part is known.
    fn run_overlapping<'a>(
        &self,
        size: [usize; 3],
        rectified: bool,
        overlap: &Overlap,
        heard: &mut Heard,
        memory: &'a mut InUse,
    ) -> Result<&'a Map, NetError> {
        let mut stages = heard.vacant();
        let [block1, block2, block3] = &mut stages;
        let InUse {
            workers,
            values,
            maps: [x, y],
            ..
        } = memory;
        let known = |stage: usize| {
            let known = overlap[stage].as_ref()?;
            Some((known, heard.stage(stage, known)))
        };
        let pooled = After { pool: true, ..RELU };
        let conv1_2 = &self.convs[0];
        if let Some((known, from)) = known(0) {
            let wanted = others(block1, known, from)?;
            let width = size[2].div_ceil(self.stride);
            let before = wanted
                .clone()
                .map(|c| beside(2 * c.start..2 * c.end, width));
            (self.conv1_1).run_columns(values, size, true, &before, x, workers)?;
            conv1_2.run_columns(x, pooled, &wanted, block1, workers)?;
        } else {
            self.conv1_1.run(values, size, true, x, workers)?;
            conv1_2.run(x, pooled, block1, workers)?;
        }
        block(&self.convs[1..3], block1, known(1), x, block2, workers)?;
        block2.max_of_2x2(y)?;
        block(&self.convs[3..5], y, known(2), x, block3, workers)?;
        block3.max_of_2x2(y)?;
        self.convs[5].run(y, RELU, x, workers)?;
        let after = After {
            relu: rectified,
            ..RELU
        };
        self.convs[6].run(x, after, y, workers)?;
        heard.remember_stages(values, stages);
        Ok(y)
    }
}

/// Two convolutions, of whose output a part may be known.
fn block(
    convs: &[Conv3x3],
    x: &Map,
    known: Option<(&Known, &Map)>,
    between: &mut Map,
    y: &mut Map,
    workers: &mut Workers,
) -> Result<(), OutOfMemory> {
    let Some((known, from)) = known else {
        convs[0].run(x, RELU, between, workers)?;
        return convs[1].run(between, RELU, y, workers);
    };
    let wanted = others(y, known, from)?;
    let before = wanted.clone().map(|columns| beside(columns, x.width()));
    convs[0].run_columns(x, RELU, &before, between, workers)?;
    convs[1].run_columns(between, RELU, &wanted, y, workers)
}

/// Copies what is known of `y`, and tells the columns that are not.
fn others(y: &mut Map, known: &Known, from: &Map) -> Result<[Range<usize>; 2], OutOfMemory> {
    y.reshape_like(from)?;
    y.copy_columns(known.to.start, from, known.from.clone());
    Ok([0..known.to.start, known.to.end..y.width()])
}

/// Columns, and one beside them at each end.
fn beside(columns: Range<usize>, width: usize) -> Range<usize> {
    columns.start.saturating_sub(1)..width.min(columns.end + 1)
}

/// What to compute next of windows in memory, which become those that have nothing in common
/// with others before, or one that has.
fn next_of(heard: &mut Heard, values: &mut Vec<f32>, size: &mut [usize; 3]) -> Option<Overlap> {
    let [batch, height, width] = *size;
    let len = height * width;
    for window in 0..batch {
        let spectrogram = &values[window * len..][..len];
        let Some(overlap) = heard.overlap(spectrogram, width) else {
            heard.remember(spectrogram);
            continue;
        };
        size[0] = window.max(1);
        values.truncate(size[0] * len);
        return (window == 0).then_some(overlap);
    }
    None
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
