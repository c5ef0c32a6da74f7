use super::super::layout::Conv1Stride;
use super::*;

#[test]
fn heatmap_kinds_read_what_they_print() {
    for kind in [
        HeatmapKind::Gradient,
        HeatmapKind::Local,
        HeatmapKind::Unit(511),
    ] {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    for wrong in ["unit:512", "unit:", "unit:-1", "unit", "grad", ""] {
        assert!(wrong.parse::<HeatmapKind>().is_err(), "{wrong}");
    }
}

/// The output of a trunk with random maps.
fn trunk_output(seed: u64, requires_grad: bool) -> TrunkOutput {
    tch::manual_seed(seed as i64);
    let options = (Kind::Float, Device::Cpu);
    let conv4_2 = Tensor::rand([2, 512, 3, 4], options).set_requires_grad(requires_grad);
    let pool4 = conv4_2.amax([2, 3], false);
    TrunkOutput {
        conv4_2,
        pool4,
        rectified: true,
    }
}

#[test]
fn where_maps_are_negative_heatmaps_begin_at_0_and_have_the_same_peak() {
    let weights = Weights::random(5, Conv1Stride::Two);
    let fusion = Fusion::new(&weights, Device::Cpu).expect("weights");
    for kind in [HeatmapKind::Gradient, HeatmapKind::Unit(7)] {
        let [raw, lower] = [0.0, 2.0].map(|less| {
            let of = trunk_output(1, false);
            let conv4_2 = of.conv4_2 - less;
            let vision = TrunkOutput {
                pool4: conv4_2.amax([2, 3], false),
                conv4_2,
                rectified: less == 0.0,
            };
            let outputs = fusion.forward(vision, trunk_output(2, false), kind);
            outputs.expect("a pass").vision_heatmap
        });
        assert_eq!(
            lower.amin([1, 2], false),
            Tensor::zeros([2], (Kind::Float, Device::Cpu))
        );
        let peak = |map: &Tensor| map.view([2, -1]).argmax(1, false);
        // The gradient depends on the features: only a unit's map is the same but for 2.
        if let HeatmapKind::Unit(_) = kind {
            assert_eq!(peak(&raw), peak(&lower));
        }
        assert!(lower.max().double_value(&[]) > 0.1);
    }
}

#[test]
fn the_closed_form_is_the_gradient() {
    let weights = Weights::random(5, Conv1Stride::Two);
    let fusion = Fusion::new(&weights, Device::Cpu).expect("weights");
    let (vision, audio) = (trunk_output(1, true), trunk_output(2, false));
    let (map, pool4) = (vision.conv4_2.shallow_clone(), vision.pool4.shallow_clone());
    let outputs = fusion
        .forward(vision, audio, HeatmapKind::Gradient)
        .expect("a pass");
    let difference = outputs.logits.select(1, 1) - outputs.logits.select(1, 0);
    let gradient = Tensor::run_backward(&[difference.sum(Kind::Float)], &[pool4], false, false);
    let expected = (map * gradient[0].clamp_min(0.0).unsqueeze(2).unsqueeze(3)).sum_dim_intlist(
        [1].as_slice(),
        false,
        Kind::Float,
    );
    let off = (expected - &outputs.vision_heatmap)
        .abs()
        .max()
        .double_value(&[]);
    assert!(outputs.vision_heatmap.max().double_value(&[]) > 0.1);
    assert!(off < 1e-4, "{off}");
}

#[test]
fn local_at_a_cell_is_the_fusion_of_that_cell() {
    let weights = Weights::random(5, Conv1Stride::Two);
    let fusion = Fusion::new(&weights, Device::Cpu).expect("weights");
    let (vision, audio) = (trunk_output(1, false), trunk_output(2, false));
    let alone = TrunkOutput {
        conv4_2: vision.conv4_2.narrow(2, 1, 1).narrow(3, 2, 1),
        pool4: vision.conv4_2.select(2, 1).select(2, 2),
        rectified: true,
    };
    let whole = fusion
        .forward(vision, trunk_output(2, false), HeatmapKind::Local)
        .expect("a pass");
    let alone = fusion
        .forward(alone, audio, HeatmapKind::Local)
        .expect("a pass");
    let p = alone.logits.softmax(1, Kind::Float).select(1, 1);
    let off = (whole.vision_heatmap.select(1, 1).select(1, 2) - p)
        .abs()
        .max();
    assert!(off.double_value(&[]) < 1e-6);
}

#[test]
fn unit_is_a_slice_of_conv4_2() {
    let weights = Weights::random(5, Conv1Stride::Two);
    let fusion = Fusion::new(&weights, Device::Cpu).expect("weights");
    let outputs = fusion
        .forward(
            trunk_output(1, false),
            trunk_output(2, false),
            HeatmapKind::Unit(77),
        )
        .expect("a pass");
    assert_eq!(outputs.vision_heatmap, outputs.vision_conv4_2.select(1, 77));
    assert_eq!(outputs.audio_heatmap, outputs.audio_conv4_2.select(1, 77));
}
