//! The whole network on one device, from features to judgements.

use std::fmt;

use l3net_conv::Isa;
use tch::{Kind, Tensor};

use super::device::{Convolutions, Device, Precision, precision_name};
use super::error::NetError;
use super::fusion::{Fusion, HeatmapKind, Outputs};
use super::input;
use super::layout::{Modality, TrunkKind, Variant};
use super::plain::{judgements, pooled};
use super::seen::Seen;
use super::threads::sleep_while_waiting;
use super::trunk::{Memory, Trunk, TrunkOutput};
use super::weights::Weights;
use crate::cores::cores;
use crate::features::Features;
use crate::pooled::Pooled;
use crate::result::Judgement;
use crate::window_spec::WindowSpec;

/// Pairs in one forward pass on the CPU: a larger batch is no faster and takes more
/// memory (about 15 MB a pair in f32).
const CPU_BATCH: usize = 16;
/// The same on a GPU.
const GPU_BATCH: usize = 128;

/// Where and how the network runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetOptions {
    /// The device.
    pub device: Device,
    /// The precision.
    pub precision: Precision,
    /// Threads on the CPU; by default all of its cores.
    pub threads: Option<usize>,
    /// Who computes the convolutions.
    pub convolutions: Convolutions,
}

/// The network, ready for inference. One thread owns it at a time.
pub struct L3Net {
    vision: Option<Trunk>,
    audio: Option<Trunk>,
    fusion: Option<Fusion>,
    seen: Seen,
    pub(super) info: NetInfo,
}

/// The network's variant and where it runs; prints as one line.
#[derive(Clone, Debug, PartialEq)]
pub struct NetInfo {
    /// The device.
    pub device: tch::Device,
    /// `Float` or `BFloat16`.
    pub kind: Kind,
    /// Threads on the CPU.
    pub threads: usize,
    /// The convolutions are our own, not libtorch's.
    pub own_convolutions: bool,
    /// The variant of the network.
    pub variant: Variant,
    /// Whether its weights were trained.
    pub trained: bool,
}

impl NetInfo {
    /// The name of the device: `cpu` or `cuda:N`.
    pub fn device_name(&self) -> String {
        match self.device {
            tch::Device::Cuda(n) => format!("cuda:{n}"),
            _ => "cpu".to_owned(),
        }
    }

    /// The name of the precision: `f32` or `bf16`.
    pub fn precision_name(&self) -> &'static str {
        precision_name(self.kind)
    }
}

impl fmt::Display for NetInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "L3-Net on {} in {}",
            self.device_name(),
            self.precision_name()
        )?;
        if self.own_convolutions {
            write!(f, ", own convolutions ({})", Isa::best())?;
        }
        if !self.device.is_cuda() {
            let s = if self.threads == 1 { "" } else { "s" };
            write!(f, ", {} thread{s}", self.threads)?;
        }
        write!(f, ", conv1_stride {}", self.variant.conv1_stride.get())?;
        if self.variant.trunks == TrunkKind::OpenL3 {
            write!(f, ", OpenL3's trunks for {}", self.variant.spec.name)?;
        }
        f.write_str(if self.trained { "" } else { ", untrained" })
    }
}

impl L3Net {
    /// Places the network on its device, batch norm folded into the convolutions.
    ///
    /// # Errors
    /// If the device is not available or short of memory.
    pub fn new(weights: &Weights, options: &NetOptions) -> Result<Self, NetError> {
        let device = options.device.resolve()?;
        let threads = options.threads.unwrap_or_else(cores).max(1);
        let (precision, convolutions) = (options.precision, options.convolutions);
        let kind = precision.resolve_for_inference(device, convolutions, threads);
        let info = NetInfo {
            device,
            kind,
            threads,
            own_convolutions: options.convolutions.are_own(device, kind),
            variant: *weights.variant(),
            trained: weights.is_trained(),
        };
        if info.threads > 1 && !device.is_cuda() {
            sleep_while_waiting();
        }
        let _guard = tch::no_grad_guard();
        let parts = info.variant.parts;
        let memory = match info.own_convolutions {
            true => Some(Memory::new(info.threads).map_err(NetError::Threads)?),
            false => None,
        };
        let trunk = |modality| {
            (parts.has(modality))
                .then(|| match &memory {
                    Some(memory) => Trunk::own(weights, modality, memory),
                    None => Ok(Trunk::folded(weights, modality, device, kind)?),
                })
                .transpose()
        };
        Ok(Self {
            vision: trunk(Modality::Vision)?,
            audio: trunk(Modality::Audio)?,
            seen: Seen::default(),
            fusion: (parts.fusion.then(|| Fusion::new(weights, device))).transpose()?,
            info,
        })
    }

    /// A trunk, if the model has it.
    pub(super) fn trunk(&self, modality: Modality) -> Result<&Trunk, NetError> {
        match modality {
            Modality::Vision => self.vision.as_ref().ok_or(NetError::NoPart("vision trunk")),
            Modality::Audio => self.audio.as_ref().ok_or(NetError::NoPart("audio trunk")),
        }
    }

    /// The network's variant and where it runs.
    pub fn describe(&self) -> &NetInfo {
        &self.info
    }

    /// Judges each pair of the batch. Pictures may differ in size; those of one size
    /// share a forward pass.
    ///
    /// # Errors
    /// If features are not of the network's shape, or libtorch fails.
    pub fn judge(
        &self,
        batch: &[&Features],
        heatmap: HeatmapKind,
    ) -> Result<Vec<Judgement>, NetError> {
        self.judge_by(batch, heatmap, judgements)
    }

    /// As [`judge`](Self::judge), each with the features that the fusion compared.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn judge_pooled(
        &self,
        batch: &[&Features],
        heatmap: HeatmapKind,
    ) -> Result<Vec<(Judgement, Pooled)>, NetError> {
        self.judge_by(batch, heatmap, |outputs| {
            let features = pooled(outputs)?;
            Ok(judgements(outputs)?.into_iter().zip(features).collect())
        })
    }

    /// Replaces the fusion; `fusion` is on the network's device, and was learnt on its
    /// trunks.
    pub fn set_fusion(&mut self, fusion: Fusion) {
        self.fusion = Some(fusion);
    }

    /// What `read` makes of the outputs, a value for each pair, in the order of the batch.
    fn judge_by<T>(
        &self,
        batch: &[&Features],
        heatmap: HeatmapKind,
        read: impl Fn(&Outputs) -> Result<Vec<T>, NetError>,
    ) -> Result<Vec<T>, NetError> {
        self.in_parts(batch, |part| {
            let _guard = self.enter();
            self.judge_part(part, heatmap, &read)
        })
    }

    /// Checks the batch, and runs it through the network in parts that it takes at once.
    pub(super) fn in_parts<T>(
        &self,
        batch: &[&Features],
        run: impl Fn(&[&Features]) -> Result<Vec<T>, NetError>,
    ) -> Result<Vec<T>, NetError> {
        check(batch, self.info.variant.spec)?;
        let mut all = Vec::with_capacity(batch.len());
        for part in batch.chunks(self.batch()) {
            all.extend(run(part)?);
        }
        Ok(all)
    }

    /// The largest batch that is faster than smaller ones on the device.
    pub fn batch(&self) -> usize {
        if self.info.device.is_cuda() {
            GPU_BATCH
        } else {
            CPU_BATCH
        }
    }

    fn judge_part<T>(
        &self,
        batch: &[&Features],
        heatmap: HeatmapKind,
        read: impl Fn(&Outputs) -> Result<Vec<T>, NetError>,
    ) -> Result<Vec<T>, NetError> {
        let audio = self.audio_output(batch)?;
        by_size(batch, |members, rows| {
            let audio = match rows.len() == batch.len() {
                true => audio.share(),
                false => {
                    let rows: Vec<i64> = rows.iter().map(|&i| i as i64).collect();
                    let rows = Tensor::f_from_slice(&rows)?.f_to(self.info.device)?;
                    TrunkOutput {
                        conv4_2: audio.conv4_2.f_index_select(0, &rows)?,
                        pool4: audio.pool4.f_index_select(0, &rows)?,
                        ..audio
                    }
                }
            };
            read(&self.one_size(members, audio, heatmap)?)
        })
    }

    fn one_size(
        &self,
        batch: &[&Features],
        audio: TrunkOutput,
        heatmap: HeatmapKind,
    ) -> Result<Outputs, NetError> {
        let fusion = self.fusion.as_ref().ok_or(NetError::NoPart("fusion"))?;
        let trunk = self.trunk(Modality::Vision)?;
        // On a GPU the trunk is quicker than the copies.
        let remember = !self.info.device.is_cuda();
        let vision = self.seen.output(batch, remember, |new| {
            trunk.forward(&self.vision_input(new)?, false)
        })?;
        Ok(fusion.forward(vision, audio, heatmap)?)
    }

    fn audio_output(&self, batch: &[&Features]) -> Result<TrunkOutput, NetError> {
        let trunk = self.trunk(Modality::Audio)?;
        trunk.forward(&self.audio_input(batch)?, false)
    }

    /// The forward pass as tensors, for evaluation and tests. All pictures of the
    /// batch have one size.
    ///
    /// # Errors
    /// If features are not of the network's shape, their pictures differ in size, or
    /// libtorch fails.
    pub fn forward(&self, batch: &[&Features], heatmap: HeatmapKind) -> Result<Outputs, NetError> {
        check(batch, self.info.variant.spec)?;
        check_one_size(batch)?;
        let _guard = self.enter();
        let audio = self.audio_output(batch)?;
        self.one_size(batch, audio, heatmap)
    }

    /// Turns gradients off and sets the number of threads: libtorch keeps that number
    /// per calling thread, and another thread may have become the owner.
    pub(super) fn enter(&self) -> tch::NoGradGuard {
        let threads = i32::try_from(self.info.threads).unwrap_or(i32::MAX);
        if tch::get_num_threads() != threads {
            tch::set_num_threads(threads);
        }
        tch::no_grad_guard()
    }

    /// `[B, 1, bins, frames]`.
    fn audio_input(&self, batch: &[&Features]) -> Result<Tensor, NetError> {
        let NetInfo {
            variant, device, ..
        } = self.info;
        let spec = variant.spec;
        let values = concatenated(batch, spec.spectrogram_len(), |f| &f.spectrogram);
        Ok(input::spectrograms(&values, spec, device)?)
    }

    /// `[B, 3, h, w]`.
    pub(super) fn vision_input(&self, batch: &[&Features]) -> Result<Tensor, NetError> {
        let first = batch[0];
        let bytes = concatenated(batch, first.image.len(), |f| &f.image);
        let (h, w) = (first.image_height, first.image_width);
        Ok(input::images(&bytes, h, w, self.info.device)?)
    }
}

/// One part of each of the batch, `len` values long, in turn.
fn concatenated<'a, T: Copy + 'a>(
    batch: &[&'a Features],
    len: usize,
    part: impl Fn(&'a Features) -> &'a [T],
) -> Vec<T> {
    let mut all = Vec::with_capacity(batch.len() * len);
    batch.iter().for_each(|f| all.extend_from_slice(part(f)));
    all
}

pub(super) fn check_spectrogram(
    values: &[f32],
    spec: WindowSpec,
    index: usize,
) -> Result<(), NetError> {
    let (len, expected) = (values.len(), spec.spectrogram_len());
    if len == expected {
        return Ok(());
    }
    let what = format!("a spectrogram has {expected} values, not {len}");
    Err(NetError::Features { index, what })
}

fn check(batch: &[&Features], spec: WindowSpec) -> Result<(), NetError> {
    for (index, f) in batch.iter().enumerate() {
        check_spectrogram(&f.spectrogram, spec, index)?;
        let (w, h) = (f.image_width as usize, f.image_height as usize);
        if w < 16 || h < 16 || f.image.len() != w * h * 3 {
            let len = f.image.len();
            let what = format!(
                "an image of {w} × {h} (16 × 16 at least) has {} bytes, not {len}",
                w * h * 3
            );
            return Err(NetError::Features { index, what });
        }
    }
    Ok(())
}

fn check_one_size(batch: &[&Features]) -> Result<(), NetError> {
    let size = |f: &Features| (f.image_width, f.image_height);
    let what = match batch.iter().position(|f| size(f) != size(batch[0])) {
        Some(index) => (index, "its picture differs in size from the first"),
        None if batch.is_empty() => (0, "the batch is empty"),
        None => return Ok(()),
    };
    Err(NetError::Features {
        index: what.0,
        what: what.1.to_owned(),
    })
}

/// What `of` makes of the batch, a value for each pair, in its order. It gets those whose
/// pictures have one size, and their indices: they share a forward pass.
pub(super) fn by_size<T>(
    batch: &[&Features],
    of: impl Fn(&[&Features], &[usize]) -> Result<Vec<T>, NetError>,
) -> Result<Vec<T>, NetError> {
    // In the order of first appearance.
    let mut groups: Vec<((u32, u32), Vec<usize>)> = Vec::new();
    for (i, f) in batch.iter().enumerate() {
        let size = (f.image_width, f.image_height);
        match groups.iter_mut().find(|(s, _)| *s == size) {
            Some((_, members)) => members.push(i),
            None => groups.push((size, vec![i])),
        }
    }
    let mut numbered = Vec::with_capacity(batch.len());
    for (_, rows) in groups {
        let members: Vec<&Features> = rows.iter().map(|&i| batch[i]).collect();
        let values = of(&members, &rows)?;
        numbered.extend(rows.into_iter().zip(values));
    }
    numbered.sort_unstable_by_key(|(row, _)| *row);
    Ok(numbered.into_iter().map(|(_, value)| value).collect())
}
