//! The one vector that all parameters lie in.
//!
//! Belongs here: where each parameter lies, the views of it that the layers work
//! with, the copy in bf16, gradients as one vector. Does not: what is computed
//! with them (`network`), how they change (`adam`).

use std::collections::BTreeMap;
use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

use crate::net::Slot;
use crate::net::input::plain;

/// One parameter in the vector.
struct Place {
    slot: Slot,
    range: Range<usize>,
    /// Whether it learns.
    learns: bool,
    /// The view that is computed with and that gradients are taken of.
    leaf: Tensor,
}

/// All parameters, in f32 and in what is computed with.
pub struct Parameters {
    places: Vec<Place>,
    /// `[P]` in f32; convolutions as out × 3 × 3 × in.
    vector: Tensor,
    /// The same in bf16, if that is what is computed with.
    halved: Option<Tensor>,
}

impl Parameters {
    /// Lays out `slots` one behind the other on the device, to be computed with in
    /// `kind`. `values` gives those of each; `None` stands for zeros.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn new(
        slots: Vec<Slot>,
        values: impl Fn(&Slot) -> Option<Vec<f32>>,
        learns: impl Fn(&Slot) -> bool,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let count: usize = slots.iter().map(Slot::len).sum();
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
        let halved = match kind {
            Kind::Float => None,
            kind => Some(vector.f_to_kind(kind)?),
        };
        let mut places = Vec::with_capacity(slots.len());
        for (slot, range) in slots.into_iter().zip(ranges) {
            let base = match &halved {
                Some(halved) if computes_halved(&slot) => halved,
                _ => &vector,
            };
            let leaf = view(base, &slot, &range)?
                .f_detach()?
                .f_requires_grad_(true)?;
            places.push(Place {
                learns: learns(&slot),
                slot,
                range,
                leaf,
            });
        }
        Ok(Self {
            places,
            vector,
            halved,
        })
    }

    /// The tensors that the layers work with, by name.
    pub fn by_name(&self) -> BTreeMap<String, Tensor> {
        let named = |p: &Place| (p.slot.name.clone(), p.leaf.shallow_clone());
        self.places.iter().map(named).collect()
    }

    /// All of them, `[P]` in f32, for the optimiser to change;
    /// [`changed`](Self::changed) must follow.
    pub fn vector(&mut self) -> &mut Tensor {
        &mut self.vector
    }

    /// Brings the copy that is computed with up to date.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn changed(&mut self) -> Result<(), TchError> {
        if let Some(halved) = &mut self.halved {
            let _guard = tch::no_grad_guard();
            halved.f_copy_(&self.vector)?;
        }
        Ok(())
    }

    /// The parts of the vector that learn.
    pub fn learning(&self) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for place in self.places.iter().filter(|p| p.learns) {
            match parts.last_mut() {
                Some(last) if last.end == place.range.start => last.end = place.range.end,
                _ => parts.push(place.range.clone()),
            }
        }
        parts
    }

    /// Where each of them lies in the vector.
    #[cfg(test)]
    pub fn places(&self) -> impl Iterator<Item = (&Slot, Range<usize>)> {
        self.places.iter().map(|p| (&p.slot, p.range.clone()))
    }

    /// The gradient of `loss`: `[P]` in f32, zero where nothing learns.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        let learning: Vec<&Place> = self.places.iter().filter(|p| p.learns).collect();
        let leaves: Vec<&Tensor> = learning.iter().map(|p| &p.leaf).collect();
        let found = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let _guard = tch::no_grad_guard();
        let gradient = self.vector.f_zeros_like()?;
        for (place, found) in learning.into_iter().zip(&found) {
            view(&gradient, &place.slot, &place.range)?.f_copy_(found)?;
        }
        Ok(gradient)
    }

    /// Every parameter by name, as a checkpoint stores it.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let vector = self.vector.f_to(Device::Cpu)?;
        let values = |p: &Place| {
            let values = plain(&view(&vector, &p.slot, &p.range)?)?;
            Ok((p.slot.name.clone(), values))
        };
        self.places.iter().map(values).collect()
    }
}

/// As in inference: conv1_1 in f32, whose input bf16 cannot hold.
fn computes_halved(slot: &Slot) -> bool {
    slot.name.contains(".conv") && !slot.name.contains(".conv1_1.")
}

fn shape(slot: &Slot) -> Vec<i64> {
    slot.shape.iter().map(|&n| n as i64).collect()
}

/// A parameter within a vector of the length of all of them; convolutions with
/// their channels side by side, which is what oneDNN and cuDNN compute with.
fn view(vector: &Tensor, slot: &Slot, range: &Range<usize>) -> Result<Tensor, TchError> {
    let part = vector.f_narrow(0, range.start as i64, range.len() as i64)?;
    match shape(slot).as_slice() {
        [out, channels, h, w] => part
            .f_view([*out, *h, *w, *channels])?
            .f_permute([0, 3, 1, 2]),
        shape => part.f_view(shape),
    }
}
