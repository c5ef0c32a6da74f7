//! All parameters in one vector.
//!
//! Belongs here: the place of each parameter in the vector, the layers' views of it,
//! the copy in bf16, gradients as one vector. Does not: the computation
//! (`network`), the updates (`adam`).

use std::collections::BTreeMap;
use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

use crate::net::TensorSpec;
use crate::net::input::to_vec;

/// One parameter in the vector.
struct Place {
    slot: TensorSpec,
    range: Range<usize>,
    /// Whether the optimiser updates it.
    trainable: bool,
    /// The view that the layers use and whose gradient is computed.
    leaf: Tensor,
}

/// All parameters, in f32 and in the precision of the computation.
pub struct Parameters {
    places: Vec<Place>,
    /// `[P]` in f32; convolutions as out × 3 × 3 × in.
    vector: Tensor,
    /// A copy in bf16, if that is the precision of the computation.
    half: Option<Tensor>,
}

impl Parameters {
    /// Places the tensors of `slots` in turn on the device, for a computation in `kind`.
    /// `values` yields the values of each; `None` stands for zeros.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn new(
        slots: Vec<TensorSpec>,
        values: impl Fn(&TensorSpec) -> Option<Vec<f32>>,
        trainable: impl Fn(&TensorSpec) -> bool,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let count: usize = slots.iter().map(TensorSpec::len).sum();
        let vector = Tensor::f_zeros([count as i64], (Kind::Float, Device::Cpu))?;
        let mut ranges = Vec::with_capacity(slots.len());
        let mut start = 0;
        for slot in &slots {
            let range = start..start + slot.len();
            start = range.end;
            if let Some(values) = values(slot) {
                let values = Tensor::f_from_slice(&values)?.f_reshape(shape(slot))?;
                view(&vector, slot, &range)?.f_copy_(&values)?;
            }
            ranges.push(range);
        }
        let vector = vector.f_to(device)?;
        let half = match kind {
            Kind::Float => None,
            kind => Some(vector.f_to_kind(kind)?),
        };
        let mut places = Vec::with_capacity(slots.len());
        for (slot, range) in slots.into_iter().zip(ranges) {
            let base = match &half {
                Some(half) if computes_in_half(&slot) => half,
                _ => &vector,
            };
            let leaf = view(base, &slot, &range)?
                .f_detach()?
                .f_requires_grad_(true)?;
            places.push(Place {
                trainable: trainable(&slot),
                slot,
                range,
                leaf,
            });
        }
        Ok(Self {
            places,
            vector,
            half,
        })
    }

    /// The tensors that the layers use, by name.
    pub fn by_name(&self) -> BTreeMap<String, Tensor> {
        let named = |p: &Place| (p.slot.name.clone(), p.leaf.shallow_clone());
        self.places.iter().map(named).collect()
    }

    /// All parameters, `[P]` in f32, for the optimiser to update; call
    /// [`sync`](Self::sync) afterwards.
    pub fn vector(&mut self) -> &mut Tensor {
        &mut self.vector
    }

    /// Updates the copy in bf16 after a step of the optimiser.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn sync(&mut self) -> Result<(), TchError> {
        let changes = |p: &Place| p.trainable && computes_in_half(&p.slot);
        if let Some(half) = &mut self.half
            && self.places.iter().any(changes)
        {
            let _guard = tch::no_grad_guard();
            half.f_copy_(&self.vector)?;
        }
        Ok(())
    }

    /// The parts of the vector that the optimiser updates.
    pub fn trainable(&self) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for place in self.places.iter().filter(|p| p.trainable) {
            match parts.last_mut() {
                Some(last) if last.end == place.range.start => last.end = place.range.end,
                _ => parts.push(place.range.clone()),
            }
        }
        parts
    }

    /// The place of each parameter in the vector.
    #[cfg(test)]
    pub fn places(&self) -> impl Iterator<Item = (&TensorSpec, Range<usize>)> {
        self.places.iter().map(|p| (&p.slot, p.range.clone()))
    }

    /// The gradient of `loss` in f32: of the [trainable](Self::trainable) parts, in turn.
    /// What is frozen has no part in it: with frozen trunks it is 70 times smaller.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        let trainable: Vec<&Place> = self.places.iter().filter(|p| p.trainable).collect();
        let leaves: Vec<&Tensor> = trainable.iter().map(|p| &p.leaf).collect();
        let gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let _guard = tch::no_grad_guard();
        let count: usize = trainable.iter().map(|p| p.range.len()).sum();
        let options = (Kind::Float, self.vector.device());
        // Not zeros: the parts fill it.
        let gradient = Tensor::f_empty([count as i64], options)?;
        let mut start = 0;
        for (place, part) in trainable.into_iter().zip(&gradients) {
            let range = start..start + place.range.len();
            start = range.end;
            view(&gradient, &place.slot, &range)?.f_copy_(part)?;
        }
        Ok(gradient)
    }

    /// A gradient as `[P]`, zero where a parameter is not trainable.
    #[cfg(test)]
    pub fn spread(&self, gradient: &Tensor) -> Tensor {
        let all = self.vector.zeros_like();
        let mut start = 0;
        for part in self.trainable() {
            let len = part.len() as i64;
            let mut place = all.narrow(0, part.start as i64, len);
            place.copy_(&gradient.narrow(0, start, len));
            start += len;
        }
        all
    }

    /// Every parameter by name, as a checkpoint stores it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let vector = self.vector.f_to(Device::Cpu)?;
        let values = |p: &Place| {
            let values = to_vec(&view(&vector, &p.slot, &p.range)?)?;
            Ok((p.slot.name.clone(), values))
        };
        self.places.iter().map(values).collect()
    }
}

/// As in inference: conv1_1 stays in f32, as bf16 is too coarse for its input.
fn computes_in_half(slot: &TensorSpec) -> bool {
    slot.name.contains(".conv") && !slot.name.contains(".conv1_1.")
}

fn shape(slot: &TensorSpec) -> Vec<i64> {
    slot.shape.iter().map(|&n| n as i64).collect()
}

/// The view of one parameter in a vector of all of them; convolutions are channels-last,
/// as oneDNN and cuDNN prefer.
fn view(vector: &Tensor, slot: &TensorSpec, range: &Range<usize>) -> Result<Tensor, TchError> {
    let part = vector.f_narrow(0, range.start as i64, range.len() as i64)?;
    match shape(slot).as_slice() {
        [out, channels, h, w] => part
            .f_view([*out, *h, *w, *channels])?
            .f_permute([0, 3, 1, 2]),
        shape => part.f_view(shape),
    }
}
