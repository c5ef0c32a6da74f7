//! Tensors to plain values.

use tch::{Kind, Tensor};

use super::error::NetError;
use super::fusion::Outputs;
use super::input;
use super::layout::FEATURE;
use crate::pooled::Pooled;
use crate::result::{Heatmap, Judgement};

/// The rows of a matrix of this width.
pub(super) fn rows(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// All results as plain data, with one copy from the device.
pub(super) fn judgements(outputs: &Outputs) -> Result<Vec<Judgement>, NetError> {
    let (b, rows, cols) = outputs.vision_heatmap.size3()?;
    let (_, bands, steps) = outputs.audio_heatmap.size3()?;
    let all = Tensor::f_cat(
        &[
            &outputs.logits,
            &outputs.vision_heatmap.f_reshape([b, rows * cols])?,
            &outputs.audio_heatmap.f_reshape([b, bands * steps])?,
        ],
        1,
    )?;
    let width = usize::try_from(2 + rows * cols + bands * steps).unwrap_or(usize::MAX);
    Ok(input::to_vec(&all)?
        .chunks_exact(width)
        .map(|row| {
            let (logits, maps) = row.split_at(2);
            let (vision, audio) = maps.split_at((rows * cols) as usize);
            Judgement {
                logits: [logits[0], logits[1]],
                correspondence: 1.0 / (1.0 + (logits[0] - logits[1]).exp()),
                vision: heatmap(rows, cols, vision),
                audio: heatmap(bands, steps, audio),
            }
        })
        .collect())
}

/// The features that the fusion compared, as plain data.
pub(super) fn pooled(outputs: &Outputs) -> Result<Vec<Pooled>, NetError> {
    let [vision, audio] = [&outputs.vision_features, &outputs.audio_features]
        .map(|features| input::to_vec(&features.f_to_kind(Kind::Float)?));
    let pairs = rows(&vision?, FEATURE)
        .into_iter()
        .zip(rows(&audio?, FEATURE));
    Ok(pairs
        .map(|(vision, audio)| Pooled { vision, audio })
        .collect())
}

fn heatmap(rows: i64, cols: i64, values: &[f32]) -> Heatmap {
    Heatmap {
        rows: rows as u32,
        cols: cols as u32,
        values: values.to_vec(),
    }
}
