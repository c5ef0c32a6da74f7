use std::collections::BTreeMap;

use super::super::layout::{Parts, Variant};
use super::*;
use crate::window_spec::WindowSpec;

/// The trunk by libtorch, and by our own convolutions.
fn in_f32(weights: &Weights, modality: Modality) -> [Trunk; 2] {
    let memory = Memory::new(2).expect("two threads");
    let torch = Trunk::folded(weights, modality, Device::Cpu, Kind::Float).expect("a trunk");
    [
        torch,
        Trunk::own(weights, modality, &memory).expect("a trunk"),
    ]
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

#[test]
fn folding_changes_nothing_and_odd_sizes_are_floored() {
    let _guard = tch::no_grad_guard();
    for (stride, sides) in [(Conv1Stride::Two, [3, 3]), (Conv1Stride::One, [6, 7])] {
        let weights = Weights::random(3, stride);
        let x = Tensor::f_from_slice(&(0..51 * 57).map(|i| (i as f32).sin()).collect::<Vec<_>>())
            .and_then(|x| x.f_reshape([1, 1, 51, 57]))
            .expect("a tensor");
        let folded = in_f32(&weights, Modality::Audio)
            .map(|trunk| trunk.forward(&x, false).expect("a forward pass"));
        let slots = weights.variant().layout();
        let tensor = |name: &str| {
            let slot = slots.iter().find(|s| s.name == name).expect("a tensor");
            let shape: Vec<i64> = slot.shape.iter().map(|&n| n as i64).collect();
            let values = Tensor::from_slice(weights.tensor(name)).reshape(shape);
            match name.strip_suffix(".running_mean") {
                // A trunk for training has no biases: the mean is without them.
                Some(norm) => {
                    let bias = format!("{}.bias", norm.replace(".bn", ".conv"));
                    values - Tensor::from_slice(weights.tensor(&bias))
                }
                None => values,
            }
        };
        let unfolded = Trunk::over(Modality::Audio, stride, Kind::Float, tensor)
            .forward(&x, false)
            .expect("a forward pass");
        let scale = largest(&unfolded.conv4_2);
        for folded in folded {
            assert_eq!(folded.conv4_2.size(), [1, 512, sides[0], sides[1]]);
            let off = largest(&(folded.conv4_2 - &unfolded.conv4_2));
            assert!(scale > 0.1 && off < 1e-4 * scale, "{off} of {scale}");
        }
    }
}

/// One layer after the other, as OpenL3's code has them.
fn openl3_step_by_step(weights: &Weights, modality: Modality, x: &Tensor) -> Tensor {
    let slots = weights.variant().layout();
    let tensor = |name: String| {
        let slot = slots.iter().find(|s| s.name == name).expect("a tensor");
        let shape: Vec<i64> = slot.shape.iter().map(|&n| n as i64).collect();
        Tensor::from_slice(weights.tensor(&name)).reshape(shape)
    };
    let of = |layer: &str, part: &str| tensor(format!("{}.{layer}.{part}", modality.name()));
    let conv = |x: &Tensor, name: &str| {
        let layer = format!("conv{name}");
        x.conv2d(
            &of(&layer, "weight"),
            Some(of(&layer, "bias")),
            [1, 1],
            [1, 1],
            [1, 1],
            1,
        )
    };
    let norm = |x: &Tensor, name: &str| {
        let layer = format!("bn{name}");
        let [weight, bias, mean, var] =
            ["weight", "bias", "running_mean", "running_var"].map(|part| of(&layer, part));
        x.batch_norm(
            Some(weight),
            Some(bias),
            Some(mean),
            Some(var),
            false,
            0.1,
            1e-3,
            false,
        )
    };
    let mut x = norm(x, "0");
    for block in 1..=4 {
        x = norm(&conv(&x, &format!("{block}_1")), &format!("{block}_1")).relu();
        let name = format!("{block}_2");
        let y = conv(&x, &name);
        x = match (block, modality) {
            (4, _) => return y,
            (1, Modality::Vision) => norm(&y.relu(), &name),
            _ => norm(&y, &name).relu(),
        };
        x = x.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
    }
    unreachable!("the fourth block returns")
}

#[test]
fn openl3s_trunks_are_its_layers_in_its_order() {
    let _guard = tch::no_grad_guard();
    for (modality, channels, signed) in [
        (Modality::Vision, 3, false),
        (Modality::Vision, 3, true),
        (Modality::Audio, 1, false),
    ] {
        let variant = Variant::openl3(WindowSpec::OPENL3_MEL256, Parts::only(modality));
        let random = Weights::random_of(variant, 11);
        let mut tensors: BTreeMap<String, Vec<f32>> = (variant.layout().into_iter())
            .map(|slot| (slot.name.clone(), random.tensor(&slot.name).to_vec()))
            .collect();
        if signed {
            let gains = tensors.get_mut("vision.bn1_2.weight").expect("a tensor");
            gains.iter_mut().step_by(2).for_each(|gain| *gain = -*gain);
        }
        let weights = Weights::trained(variant, tensors, BTreeMap::new());
        let values: Vec<f32> = (0..2 * channels * 50 * 47)
            .map(|i| (i as f32).sin())
            .collect();
        let x = Tensor::from_slice(&values).reshape([2, channels, 50, 47]);
        let expected = openl3_step_by_step(&weights, modality, &x);
        let scale = largest(&expected);
        for trunk in in_f32(&weights, modality) {
            let found = trunk.forward(&x, false).expect("a forward pass");
            assert_eq!(found.conv4_2.size(), [2, 512, 6, 5]);
            let off = largest(&(&found.conv4_2 - &expected));
            assert!(
                scale > 0.1 && off < 1e-5 * scale,
                "{modality:?}: {off} of {scale}"
            );
            // No ReLU follows.
            assert!(found.pool4.min().double_value(&[]) < 0.0);
        }
        let trunk =
            Trunk::folded(&weights, modality, Device::Cpu, Kind::BFloat16).expect("a trunk");
        let found16 = trunk.forward(&x, false).expect("a forward pass").conv4_2;
        assert_eq!(found16.kind(), Kind::BFloat16);
        let off = (found16.to_kind(Kind::Float) - &expected).abs();
        let off = off.max().double_value(&[]);
        assert!(off < 3e-2 * scale, "{modality:?} in bf16: {off} of {scale}");
    }
}

#[test]
fn what_no_machine_has_memory_for_is_out_of_memory_and_the_trunk_goes_on() {
    let _guard = tch::no_grad_guard();
    let weights = Weights::random(5, Conv1Stride::Two);
    let memory = Memory::new(2).expect("two threads");
    let trunk = Trunk::own(&weights, Modality::Vision, &memory).expect("a trunk");
    // One pixel, seen again and again: it takes no memory.
    let pixel = Tensor::from_slice(&[1.0_f32, 2.0, 3.0]).reshape([1, 3, 1, 1]);
    let picture = pixel.expand([1, 3, 1 << 24, 1 << 24], false);
    let error = trunk.forward(&picture, false).err().expect("an error");
    assert!(matches!(error, NetError::OutOfMemory(_)), "{error}");
    assert!(error.is_out_of_memory(), "{error}");
    let small = pixel.expand([2, 3, 16, 16], false);
    let found = trunk.forward(&small, false).expect("a forward pass");
    assert_eq!(found.pool4.size(), [2, 512]);
}

#[test]
fn a_batch_in_parts_is_each_of_it_alone() {
    let _guard = tch::no_grad_guard();
    let weights = Weights::random(5, Conv1Stride::One);
    let memory = Memory::new(1).expect("a thread");
    let trunk = Trunk::own(&weights, Modality::Audio, &memory).expect("a trunk");
    // So large that two do not share a part.
    let values: Vec<f32> = (0..3 * 150 * 130).map(|i| (i as f32 * 0.7).sin()).collect();
    let x = Tensor::from_slice(&values).reshape([3, 1, 150, 130]);
    let together = trunk.forward(&x, false).expect("a forward pass");
    for i in 0..3 {
        let alone = trunk
            .forward(&x.narrow(0, i, 1), false)
            .expect("a forward pass");
        assert_eq!(together.conv4_2.narrow(0, i, 1), alone.conv4_2);
        assert_eq!(together.pool4.narrow(0, i, 1), alone.pool4);
    }
    let none = trunk
        .forward(&x.narrow(0, 0, 0), false)
        .expect("a forward pass");
    assert_eq!(none.conv4_2.size(), [0, 512, 18, 16]);
}

#[test]
fn an_input_of_other_channels_is_an_error() {
    let _guard = tch::no_grad_guard();
    let weights = Weights::random(5, Conv1Stride::Two);
    let memory = Memory::new(1).expect("a thread");
    let trunk = Trunk::own(&weights, Modality::Vision, &memory).expect("a trunk");
    let x = Tensor::zeros([1, 1, 32, 32], (Kind::Float, Device::Cpu));
    let error = trunk.forward(&x, false).err().expect("an error");
    assert!(error.to_string().contains("[1, 3, 32, 32]"), "{error}");
}

#[test]
fn our_own_convolutions_give_what_libtorchs_do() {
    let _guard = tch::no_grad_guard();
    let weights = Weights::random(5, Conv1Stride::Two);
    // Of the first, channels are adjacent in memory, of the others not.
    for (batch, height, width) in [(1, 224, 224), (3, 45, 83), (2, 16, 16)] {
        let len = batch * height * width * 3;
        let values: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = Tensor::from_slice(&values);
        let x = match batch {
            1 => x.reshape([batch, height, width, 3]).permute([0, 3, 1, 2]),
            _ => x.reshape([batch, 3, height, width]),
        };
        let [torch, own] = in_f32(&weights, Modality::Vision);
        let close = |a: &Tensor, b: &Tensor| {
            assert_eq!(a.size(), b.size());
            let (off, scale) = (largest(&(a - b)), largest(a));
            assert!(off < 1e-5 * scale, "{off} of {scale} at {height} × {width}");
        };
        let before_relu = [&torch, &own].map(|t| t.to_conv4_2(&x, false).expect("conv4_2"));
        close(&before_relu[0], &before_relu[1]);
        assert!(before_relu[1].min().double_value(&[]) < 0.0);
        let [torch, own] = [torch, own].map(|t| t.forward(&x, false).expect("a forward pass"));
        close(&torch.conv4_2, &own.conv4_2);
        close(&torch.pool4, &own.pool4);
    }
}

/// A spectrogram of many frames, of which windows are cut.
fn windows(frames: i64, width: i64, hop: i64) -> Tensor {
    let values: Vec<f32> = (0..129 * frames)
        .map(|i| (i as f32 * 0.7).sin() + (i as f32 * 0.013).cos())
        .collect();
    let long = Tensor::from_slice(&values).reshape([1, 1, 129, frames]);
    let starts = (0..=(frames - width) / hop).map(|number| number * hop);
    Tensor::cat(
        &starts
            .map(|at| long.narrow(3, at, width))
            .collect::<Vec<_>>(),
        0,
    )
}

#[test]
fn windows_that_overlap_are_what_they_are_alone() {
    let _guard = tch::no_grad_guard();
    for (stride, width, hop) in [
        (Conv1Stride::Two, 199, 20),
        (Conv1Stride::Two, 199, 16),
        (Conv1Stride::Two, 199, 10),
        (Conv1Stride::Two, 199, 7),
        (Conv1Stride::Two, 200, 80),
        (Conv1Stride::Two, 199, 100),
        (Conv1Stride::One, 101, 10),
    ] {
        let weights = Weights::random(5, stride);
        let memory = Memory::new(2).expect("two threads");
        let trunk = Trunk::own(&weights, Modality::Audio, &memory).expect("a trunk");
        let x = windows(width + 9 * hop, width, hop);
        // Batches of one and of several, as they come.
        let parts = [(0, 1), (1, 1), (2, 3), (5, 5)];
        let together = parts.map(|(first, count)| {
            let part = x.narrow(0, first, count);
            trunk.forward(&part, false).expect("a forward pass")
        });
        let mut number = 0;
        for part in together {
            for row in 0..part.pool4.size()[0] {
                let fresh = Trunk::own(&weights, Modality::Audio, &memory).expect("a trunk");
                let alone = fresh
                    .forward(&x.narrow(0, number, 1), false)
                    .expect("a forward pass");
                for (found, alone) in [(&part.conv4_2, &alone.conv4_2), (&part.pool4, &alone.pool4)]
                {
                    let (off, scale) =
                        (largest(&(found.narrow(0, row, 1) - alone)), largest(alone));
                    assert!(
                        off < 1e-5 * scale,
                        "{off} of {scale}: window {number}, {hop} columns apart"
                    );
                }
                number += 1;
            }
        }
        assert_eq!(number, 10);
    }
}
