//! From the two features to the two logits, and from the logits to heatmaps.
//!
//! Belongs here: the fusion layers (paper, Figure 2) and the heatmaps in closed
//! form. Always in f32: its 131 000 weights cost nothing next to the trunks.

use std::fmt;
use std::str::FromStr;

use tch::{Device, Kind, TchError, Tensor};

use super::layout::{FEATURE, HIDDEN};
use super::trunk::TrunkOutput;
use super::weights::Weights;

/// `--heatmap`: how the strength of a cell is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatmapKind {
    /// How much the cell contributes to correspondence:
    /// `Σ_k max(∂(logit₁ − logit₀)/∂feature_k, 0) · conv4_2[k]`.
    #[default]
    Gradient,
    /// One unit of conv4_2, as in the paper's Figures 4 to 9.
    Unit(u16),
    /// The probability of correspondence if the cell were the whole picture (or
    /// sound): the fusion applied to every cell.
    Local,
}

impl FromStr for HeatmapKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "gradient" => Ok(Self::Gradient),
            "local" => Ok(Self::Local),
            _ => text
                .strip_prefix("unit:")
                .and_then(|n| n.parse().ok())
                .filter(|&unit| usize::from(unit) < FEATURE)
                .map(Self::Unit)
                .ok_or_else(|| {
                    format!("a heatmap is gradient, local or unit:0 to unit:511, not {text}")
                }),
        }
    }
}

impl fmt::Display for HeatmapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gradient => f.write_str("gradient"),
            Self::Unit(k) => write!(f, "unit:{k}"),
            Self::Local => f.write_str("local"),
        }
    }
}

/// All outputs of one forward pass.
pub struct Outputs {
    /// `[B, 2]`, index 1 = corresponds.
    pub logits: Tensor,
    /// pool4 of the vision trunk, `[B, 512]`.
    pub vision_features: Tensor,
    /// pool4 of the audio trunk, `[B, 512]`.
    pub audio_features: Tensor,
    /// `[B, h, w]`, not upsampled.
    pub vision_heatmap: Tensor,
    /// `[B, f, t]` on frequency × time, not upsampled.
    pub audio_heatmap: Tensor,
    /// After the ReLU that the paper's trunks have, `[B, 512, h, w]`.
    pub vision_conv4_2: Tensor,
    /// The same of the audio trunk, `[B, 512, f, t]`.
    pub audio_conv4_2: Tensor,
}

const NO_BIAS: Option<&Tensor> = None;

/// concat(vision, audio) 1024 → fc1 128 → ReLU → fc2 2.
pub struct Fusion {
    fc1_vision: Tensor, // [128, 512]
    fc1_audio: Tensor,  // [128, 512]
    fc1_bias: Tensor,   // [128]
    fc2: Tensor,        // [2, 128]
    fc2_bias: Tensor,   // [2]
}

impl Fusion {
    /// The fusion layers of a model.
    ///
    /// # Errors
    /// If libtorch cannot place the weights on the device.
    pub fn new(weights: &Weights, device: Device) -> Result<Self, TchError> {
        let tensor = |name: &str| Tensor::f_from_slice(weights.tensor(name))?.f_to(device);
        let (hidden, feature) = (HIDDEN as i64, FEATURE as i64);
        let fc1 = tensor("fusion.fc1.weight")?.f_reshape([hidden, 2 * feature])?;
        Ok(Self {
            fc1_vision: fc1.f_narrow(1, 0, feature)?.f_contiguous()?,
            fc1_audio: fc1.f_narrow(1, feature, feature)?.f_contiguous()?,
            fc1_bias: tensor("fusion.fc1.bias")?,
            fc2: tensor("fusion.fc2.weight")?.f_reshape([2, hidden])?,
            fc2_bias: tensor("fusion.fc2.bias")?,
        })
    }

    /// The fusion for training, over tensors that the caller owns and updates: `tensor`
    /// yields each by its name in a checkpoint, in f32.
    ///
    /// # Errors
    /// If a tensor has another shape.
    pub fn over(tensor: impl Fn(&str) -> Tensor) -> Result<Self, TchError> {
        let fc1 = tensor("fusion.fc1.weight"); // [128, 1024]
        let feature = FEATURE as i64;
        Ok(Self {
            fc1_vision: fc1.f_narrow(1, 0, feature)?,
            fc1_audio: fc1.f_narrow(1, feature, feature)?,
            fc1_bias: tensor("fusion.fc1.bias"),
            fc2: tensor("fusion.fc2.weight"),
            fc2_bias: tensor("fusion.fc2.bias"),
        })
    }

    /// Logits `[N, 2]` of N pairs among B pictures and B sounds, from their pool4
    /// `[B, 512]`; `images` and `sounds` are the rows of each pair, `[N]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn logits_of(
        &self,
        vision: &Tensor,
        audio: &Tensor,
        images: &Tensor,
        sounds: &Tensor,
    ) -> Result<Tensor, TchError> {
        let (vision, audio) = self.halves(vision, audio)?;
        let vision = vision.f_index_select(0, images)?; // [N, 128]
        let audio = audio.f_index_select(0, sounds)?; //   [N, 128]
        Ok(self.after_halves(&vision, &audio)?.1)
    }

    /// The margin (logit of correspondence less the other) of each picture with each sound,
    /// `[V, A]`, from their pool4: `[V, 512]` and `[A, 512]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn margins(&self, vision: &Tensor, audio: &Tensor) -> Result<Tensor, TchError> {
        let (vision, audio) = self.halves(vision, audio)?;
        self.margins_of_halves(&vision, &audio)
    }

    /// As [`margins`](Self::margins), from `[V, 128]` and `[A, 128]`.
    fn margins_of_halves(&self, vision: &Tensor, audio: &Tensor) -> Result<Tensor, TchError> {
        let (_, logits) = self.after_halves(&vision.f_unsqueeze(1)?, &audio.f_unsqueeze(0)?)?; // [V, A, 2]
        logits.f_select(2, 1)?.f_sub(&logits.f_select(2, 0)?)
    }

    /// Logits `[N, 2]` of the place in the picture that fits the sound best, of N pairs among V
    /// pictures' conv4_2 `[V, 512, h, w]` and A sounds' pool4 `[A, 512]`: the highest of
    /// [`Local`](HeatmapKind::Local), as Arandjelović and Zisserman train their network that
    /// points at what sounds (Objects that Sound, 2018, section 4). `images` and `sounds` as for
    /// [`logits_of`](Self::logits_of).
    ///
    /// The maximum passes a gradient to its place alone, so the places are found without, a
    /// picture at a time.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn best_places(
        &self,
        map: &Tensor,
        audio: &Tensor,
        images: &Tensor,
        sounds: &Tensor,
    ) -> Result<Tensor, TchError> {
        let (vision, audio) = self.halves(&cells(map)?, audio)?; // [V, hw, 128], [A, 128]
        let rows = {
            let _guard = tch::no_grad_guard();
            let (pictures, places, _) = vision.size3()?;
            let mut best = Vec::new();
            for picture in 0..pictures {
                let margins = self.margins_of_halves(&vision.f_get(picture)?, &audio)?; // [hw, A]
                best.push(margins.f_argmax(0, false)?);
            }
            let pairs = images.f_mul_scalar(audio.size2()?.0)?.f_add(sounds)?;
            let best = Tensor::f_cat(&best, 0)?.f_index_select(0, &pairs)?; // [N]
            images.f_mul_scalar(places)?.f_add(&best)?
        };
        let vision = vision.f_flatten(0, 1)?.f_index_select(0, &rows)?; // [N, 128]
        let audio = audio.f_index_select(0, sounds)?; //                   [N, 128]
        Ok(self.after_halves(&vision, &audio)?.1)
    }

    /// What each modality adds to fc1 before the bias: `[B, 512]` → `[B, 128]` each.
    fn halves(&self, vision: &Tensor, audio: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        Ok((
            vision.f_linear(&self.fc1_vision, NO_BIAS)?,
            audio.f_linear(&self.fc1_audio, NO_BIAS)?,
        ))
    }

    /// fc1 after ReLU `[B, 128]`, and the logits `[B, 2]`.
    fn after_halves(&self, vision: &Tensor, audio: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let fc1 = vision.f_add(audio)?.f_add(&self.fc1_bias)?.f_relu()?;
        let logits = fc1.f_linear(&self.fc2, Some(&self.fc2_bias))?;
        Ok((fc1, logits))
    }

    /// Logits and heatmaps of B pairs.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn forward(
        &self,
        vision: TrunkOutput,
        audio: TrunkOutput,
        heatmap: HeatmapKind,
    ) -> Result<Outputs, TchError> {
        let vision_features = vision.pool4.f_to_kind(Kind::Float)?; //    [B, 512]
        let audio_features = audio.pool4.f_to_kind(Kind::Float)?; //      [B, 512]
        let (vision_half, audio_half) = self.halves(&vision_features, &audio_features)?; // [B, 128]
        let (fc1, logits) = self.after_halves(&vision_half, &audio_half)?; //              [B, 2]
        let (vision_heatmap, audio_heatmap) = match heatmap {
            HeatmapKind::Gradient => (
                weighted_sum(&vision, &self.gradient(&fc1, &self.fc1_vision)?)?,
                weighted_sum(&audio, &self.gradient(&fc1, &self.fc1_audio)?)?,
            ),
            HeatmapKind::Unit(k) => (unit(&vision, k)?, unit(&audio, k)?),
            HeatmapKind::Local => (
                self.local(&vision.conv4_2, &self.fc1_vision, &audio_half)?,
                self.local(&audio.conv4_2, &self.fc1_audio, &vision_half)?,
            ),
        };
        Ok(Outputs {
            logits,
            vision_features,
            audio_features,
            vision_heatmap,
            audio_heatmap,
            vision_conv4_2: vision.conv4_2,
            audio_conv4_2: audio.conv4_2,
        })
    }

    /// ∂(logit₁ − logit₀)/∂feature of one modality, through the active units of fc1:
    /// fc1 `[B, 128]` → `[B, 512]`.
    fn gradient(&self, fc1: &Tensor, half: &Tensor) -> Result<Tensor, TchError> {
        let difference = self.fc2.f_get(1)?.f_sub(&self.fc2.f_get(0)?)?; // [128]
        let active = fc1.f_gt(0.0)?.f_to_kind(Kind::Float)?; //             [B, 128]
        active.f_mul(&difference)?.f_matmul(half) //                        [B, 512]
    }

    /// The fusion at every cell, with pool4 of the other modality.
    fn local(&self, map: &Tensor, half: &Tensor, other: &Tensor) -> Result<Tensor, TchError> {
        let (b, _, h, w) = map.size4()?;
        let local = cells(map)?.f_linear(half, NO_BIAS)?; // [B, hw, 128]
        let fc1 = local
            .f_add(&other.f_unsqueeze(1)?)?
            .f_add(&self.fc1_bias)?
            .f_relu()?;
        let logits = fc1.f_linear(&self.fc2, Some(&self.fc2_bias))?; // [B, hw, 2]
        let p = logits.f_softmax(-1, Kind::Float)?.f_select(2, 1)?; //  [B, hw]
        p.f_reshape([b, h, w])
    }
}

/// `Σ_k max(g_k, 0) · map[k]`: map `[B, 512, h, w]`, g `[B, 512]` → `[B, h, w]`.
///
/// The maximum keeps only evidence for correspondence: with it the peak lay on the
/// sounding object more often (75 % of scenes, 71 % without).
fn weighted_sum(of: &TrunkOutput, gradient: &Tensor) -> Result<Tensor, TchError> {
    let (b, _, h, w) = of.conv4_2.size4()?;
    let g = gradient.f_clamp_min(0.0)?.f_unsqueeze(2)?; // [B, 512, 1]
    let map = cells(&of.conv4_2)?.f_bmm(&g)?.f_reshape([b, h, w])?;
    above_zero(of, map)
}

/// A heatmap whose least value is 0 at least. Without a ReLU a map may be negative all over,
/// and only how much more there is in one place than in another says anything.
pub(super) fn above_least(map: &Tensor) -> Result<Tensor, TchError> {
    map.f_sub(&map.f_amin([-2, -1], true)?)
}

fn above_zero(of: &TrunkOutput, map: Tensor) -> Result<Tensor, TchError> {
    match of.rectified {
        true => Ok(map),
        false => above_least(&map),
    }
}

/// `[B, 512, h, w]` → `[B, hw, 512]` in f32.
fn cells(map: &Tensor) -> Result<Tensor, TchError> {
    map.f_to_kind(Kind::Float)?
        .f_permute([0, 2, 3, 1])?
        .f_flatten(1, 2)
}

fn unit(of: &TrunkOutput, k: u16) -> Result<Tensor, TchError> {
    let map = of.conv4_2.f_select(1, i64::from(k))?;
    above_zero(of, map.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
#[path = "fusion_tests.rs"]
mod tests;
