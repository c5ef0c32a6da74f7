//! The layers against a convolution in f64, straight from its definition.

use std::ops::Range;

use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, Tile, Workers};
use proptest::prelude::*;

/// A layer and its input.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    height: usize,
    width: usize,
    channels_in: usize,
    channels: usize,
    stride: usize,
    after: After,
}

/// Those that this CPU has, and one as wide as the widest.
fn instruction_sets() -> impl Iterator<Item = Isa> {
    Isa::available().iter().copied().chain([Isa::Wide])
}

/// Values in -1 to 1 that look random.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
        })
        .collect()
}

impl Case {
    fn input(self) -> Vec<f32> {
        values(self.batch * self.height * self.width * self.channels_in, 1)
    }

    fn kernels(self) -> Vec<f32> {
        values(self.channels * self.channels_in * 9, 2)
    }

    fn bias(self) -> Vec<f32> {
        values(self.channels, 3)
    }

    /// `[B, H, W, out]`, and the largest absolute value before what follows.
    fn expected(self) -> (Vec<f64>, f64) {
        let Self {
            batch,
            height,
            width,
            channels_in,
            channels,
            stride,
            after,
        } = self;
        let (x, kernels, bias) = (self.input(), self.kernels(), self.bias());
        let (rows, columns) = (height.div_ceil(stride), width.div_ceil(stride));
        let mut y = vec![0.0; batch * rows * columns * channels];
        let mut scale = 0.0_f64;
        for (i, y) in y.iter_mut().enumerate() {
            let (place, to) = (i / channels, i % channels);
            let (row, column) = (place / columns, place % columns);
            let (image, row) = (row / rows, row % rows);
            let mut sum = f64::from(bias[to]);
            for k in 0..9 {
                let v = (row * stride + k / 3).wrapping_sub(1);
                let u = (column * stride + k % 3).wrapping_sub(1);
                if v < height && u < width {
                    let pixel = &x[((image * height + v) * width + u) * channels_in..];
                    for from in 0..channels_in {
                        sum += f64::from(pixel[from])
                            * f64::from(kernels[(to * channels_in + from) * 9 + k]);
                    }
                }
            }
            scale = scale.max(sum.abs());
            *y = if after.relu { sum.max(0.0) } else { sum };
        }
        if after.pool {
            let at = |b: usize, r: usize, c: usize, k: usize| {
                y[((b * rows + r) * columns + c) * channels + k]
            };
            let mut pooled = Vec::new();
            for b in 0..batch {
                for r in 0..rows / 2 {
                    for c in 0..columns / 2 {
                        pooled.extend((0..channels).map(|k| {
                            let upper = at(b, 2 * r, 2 * c, k).max(at(b, 2 * r, 2 * c + 1, k));
                            let lower =
                                at(b, 2 * r + 1, 2 * c, k).max(at(b, 2 * r + 1, 2 * c + 1, k));
                            upper.max(lower)
                        }));
                    }
                }
            }
            y = pooled;
        }
        (y, scale)
    }

    fn map(self, image: Option<usize>) -> Map {
        let x = self.input();
        let len = self.height * self.width * self.channels_in;
        let (x, batch) = match image {
            Some(image) => (&x[image * len..][..len], 1),
            None => (&x[..], self.batch),
        };
        Map::from_channels_last(x, batch, self.height, self.width, self.channels_in)
            .expect("memory")
    }

    /// By Winograd's algorithm.
    fn found(self, tile: Tile, isa: Isa) -> Vec<f32> {
        let mut workers = Workers::new(2).expect("threads");
        let mut y = Map::default();
        let conv = Conv3x3::new(&self.kernels(), &self.bias(), tile, isa).expect("memory");
        conv.run(&self.map(None), self.after, &mut y, &mut workers)
            .expect("memory");
        y.to_channels_last()
    }

    /// By the layer for a network's input.
    fn direct(self, isa: Isa) -> Vec<f32> {
        let mut workers = Workers::new(2).expect("threads");
        let mut y = Map::default();
        let conv = InputConv::new(&self.kernels(), &self.bias(), self.stride, isa).expect("memory");
        let size = [self.batch, self.height, self.width];
        conv.run(&self.input(), size, self.after.relu, &mut y, &mut workers)
            .expect("memory");
        assert_eq!(y.height(), self.height.div_ceil(self.stride));
        assert_eq!(y.width(), self.width.div_ceil(self.stride));
        y.to_channels_last()
    }

    /// The largest difference, relative to the largest output.
    fn error(self, found: &[f32]) -> f64 {
        let (expected, scale) = self.expected();
        assert_eq!(found.len(), expected.len(), "{self:?}");
        let pairs = found.iter().zip(&expected);
        let off = pairs.map(|(&a, b)| (f64::from(a) - b).abs());
        off.fold(0.0, f64::max) / scale
    }
}

const RELU: After = After {
    relu: true,
    pool: false,
};
const POOL: After = After {
    relu: true,
    pool: true,
};
const MAX_ONLY: After = After {
    relu: false,
    pool: true,
};

/// The largest error of tiles of 2 × 2 and of the first layer, of the largest output.
const EXACT: f64 = 2e-6;

/// The same with this tile. Without fused multiply-add 512 channels reach 3.4e-6.
fn tolerance(tile: Tile) -> f64 {
    match tile {
        Tile::Two => EXACT,
        Tile::Four => 5e-6,
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes = [
        (1, 1),
        (1, 7),
        (5, 3),
        (2, 2),
        (13, 17),
        (14, 14),
        (28, 28),
        (6, 40),
    ];
    let channels = [
        (1, 1),
        (3, 5),
        (17, 33),
        (64, 64),
        (40, 100),
        (129, 65),
        (130, 16),
    ];
    for (i, (height, width)) in sizes.into_iter().enumerate() {
        for (j, (channels_in, channels)) in channels.into_iter().enumerate() {
            cases.push(Case {
                batch: 1 + (i + j) % 3,
                height,
                width,
                channels_in,
                channels,
                stride: 1,
                after: [After::default(), RELU, POOL, MAX_ONLY][(i + 2 * j) % 4],
            });
        }
    }
    cases
}

#[test]
fn a_layer_is_the_convolution_by_definition_on_every_instruction_set() {
    for case in cases() {
        for isa in instruction_sets() {
            for tile in [Tile::Two, Tile::Four] {
                let error = case.error(&case.found(tile, isa));
                assert!(
                    error < tolerance(tile),
                    "{error:e} with {tile:?} on {isa:?}: {case:?}"
                );
            }
        }
    }
}

#[test]
fn the_first_layer_is_the_convolution_by_definition_at_both_strides() {
    for case in cases() {
        for (stride, isa) in [1, 2]
            .into_iter()
            .flat_map(|s| instruction_sets().map(move |isa| (s, isa)))
        {
            let after = After {
                pool: false,
                ..case.after
            };
            let case = Case {
                stride,
                after,
                ..case
            };
            let error = case.error(&case.direct(isa));
            assert!(error < EXACT, "{error:e} on {isa:?}: {case:?}");
        }
    }
}

#[test]
fn the_sizes_of_the_network_with_deep_channels_are_exact_too() {
    for (side, channels_in, channels) in [(14, 512, 64), (7, 256, 128)] {
        let case = Case {
            batch: 1,
            height: side,
            width: side,
            channels_in,
            channels,
            stride: 1,
            after: RELU,
        };
        for isa in instruction_sets() {
            let [two, four] =
                [Tile::Two, Tile::Four].map(|tile| case.error(&case.found(tile, isa)));
            assert!(two < EXACT, "{two:e} on {isa:?}");
            assert!(four < tolerance(Tile::Four), "{four:e} on {isa:?}");
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_the_rest_of_the_batch() {
    for (channels_in, height, width) in [(24, 30, 22), (200, 30, 22), (512, 14, 14)] {
        let case = Case {
            batch: 5,
            height,
            width,
            channels_in,
            channels: 80,
            stride: 1,
            after: POOL,
        };
        for isa in instruction_sets() {
            let conv =
                Conv3x3::new(&case.kernels(), &case.bias(), Tile::Four, isa).expect("memory");
            let together = [1, 2, 3].map(|threads| {
                let mut workers = Workers::new(threads).expect("threads");
                let mut y = Map::default();
                conv.run(&case.map(None), case.after, &mut y, &mut workers)
                    .expect("memory");
                y.to_channels_last()
            });
            assert_eq!(together[0], together[1]);
            assert_eq!(together[0], together[2]);
            let mut workers = Workers::new(2).expect("threads");
            let mut y = Map::default();
            let mut alone = Vec::new();
            for image in 0..case.batch {
                conv.run(&case.map(Some(image)), case.after, &mut y, &mut workers)
                    .expect("memory");
                alone.extend(y.to_channels_last());
            }
            assert_eq!(together[0], alone);
        }
    }
}

#[test]
fn memory_of_a_larger_layer_leaves_nothing_behind() {
    let mut workers = Workers::new(2).expect("threads");
    let mut y = Map::default();
    let mut case = cases()[40];
    for (height, width, channels_in, channels) in [
        (30, 30, 33, 70),
        (3, 5, 17, 20),
        (9, 2, 200, 1),
        (3, 5, 17, 20),
    ] {
        case = Case {
            height,
            width,
            channels_in,
            channels,
            after: RELU,
            ..case
        };
        let conv =
            Conv3x3::new(&case.kernels(), &case.bias(), Tile::Four, Isa::best()).expect("memory");
        conv.run(&case.map(None), case.after, &mut y, &mut workers)
            .expect("memory");
        let error = case.error(&y.to_channels_last());
        assert!(error < tolerance(Tile::Four), "{error:e}: {case:?}");
    }
}

#[test]
fn layers_can_follow_each_other_though_their_channels_fill_up() {
    let first = Case {
        batch: 2,
        height: 9,
        width: 11,
        channels_in: 3,
        channels: 21,
        stride: 2,
        after: RELU,
    };
    let mut workers = Workers::new(2).expect("threads");
    for isa in instruction_sets() {
        let (mut x, mut y) = (Map::default(), Map::default());
        let conv = InputConv::new(&first.kernels(), &first.bias(), 2, isa).expect("memory");
        (conv.run(&first.input(), [2, 9, 11], true, &mut x, &mut workers)).expect("memory");
        let packed = Map::from_channels_last(&x.to_channels_last(), 2, 5, 6, 21).expect("memory");
        let conv =
            Conv3x3::new(&values(30 * 21 * 9, 5), &values(30, 6), Tile::Four, isa).expect("memory");
        conv.run(&x, RELU, &mut y, &mut workers).expect("memory");
        let found = y.to_channels_last();
        conv.run(&packed, RELU, &mut y, &mut workers)
            .expect("memory");
        assert_eq!(found, y.to_channels_last());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape_is_the_convolution_by_definition(
        batch in 0_usize..4,
        height in 1_usize..20,
        width in 1_usize..20,
        channels_in in 1_usize..40,
        channels in 1_usize..40,
        relu: bool,
        pool: bool,
        four: bool,
    ) {
        let after = After { relu, pool };
        let case = Case { batch, height, width, channels_in, channels, stride: 1, after };
        let tile = if four { Tile::Four } else { Tile::Two };
        for isa in instruction_sets() {
            let found = case.found(tile, isa);
            if batch > 0 {
                prop_assert!(case.error(&found) < tolerance(tile));
            } else {
                prop_assert!(found.is_empty());
            }
        }
    }
}

/// Columns of a map, `[rows, columns, channels]`.
fn columns_of(values: &[f32], width: usize, channels: usize, columns: Range<usize>) -> Vec<f32> {
    let rows = values.chunks_exact(width * channels);
    rows.flat_map(|row| &row[columns.start * channels..columns.end * channels])
        .copied()
        .collect()
}

#[test]
fn some_columns_are_those_of_the_whole_and_the_others_stay() {
    const MARK: f32 = 777.0;
    let mut workers = Workers::new(2).expect("threads");
    let spans = [0..3, 9..11, 11..17];
    for (channels_in, after, isa) in [24, 512]
        .into_iter()
        .flat_map(|c| [RELU, POOL].map(|after| (c, after)))
        .flat_map(|(c, after)| instruction_sets().map(move |isa| (c, after, isa)))
    {
        let scale = if after.pool { 2 } else { 1 };
        let case = Case {
            batch: 2,
            height: 7,
            // An odd last column is dropped by pooling.
            width: 17 * scale + (scale - 1),
            channels_in,
            channels: 40,
            stride: 1,
            after,
        };
        for tile in [Tile::Two, Tile::Four] {
            let whole = case.found(tile, isa);
            // What is not next to a column of the spans must not be read.
            let mut input = case.input();
            for (i, value) in input.iter_mut().enumerate() {
                let column = i / channels_in % case.width;
                let is_next = |span: &Range<usize>| {
                    (span.start * scale..span.end * scale + 2).contains(&(column + 1))
                };
                if !spans.iter().any(is_next) {
                    *value = f32::NAN;
                }
            }
            let map = |values: &[f32], height, width, channels| {
                Map::from_channels_last(values, 2, height, width, channels).expect("memory")
            };
            let x = map(&input, 7, case.width, channels_in);
            let mut y = map(&vec![MARK; whole.len()], 7 / scale, 17, 40);
            let conv = Conv3x3::new(&case.kernels(), &case.bias(), tile, isa).expect("memory");
            conv.run_columns(&x, after, &spans, &mut y, &mut workers)
                .expect("memory");
            let found = y.to_channels_last();
            for span in spans.clone() {
                let [found, whole] = [&found, &whole].map(|y| columns_of(y, 17, 40, span.clone()));
                let largest = whole.iter().copied().fold(0.0, f32::max);
                for (a, b) in found.iter().zip(&whole) {
                    assert!(
                        (a - b).abs() < 1e-5 * largest,
                        "{a} {b} {tile:?} {isa:?} {case:?}"
                    );
                }
            }
            assert!(columns_of(&found, 17, 40, 3..9).iter().all(|v| *v == MARK));
        }
    }
}

#[test]
fn some_columns_of_the_first_layer_are_those_of_the_whole() {
    let mut workers = Workers::new(2).expect("threads");
    for stride in [1, 2] {
        let case = Case {
            batch: 2,
            height: 9,
            width: 119,
            channels_in: 1,
            channels: 64,
            stride,
            after: RELU,
        };
        let width = case.width.div_ceil(stride);
        let whole = case.direct(Isa::best());
        let conv =
            InputConv::new(&case.kernels(), &case.bias(), stride, Isa::best()).expect("memory");
        let (mut y, spans) = (Map::default(), [0..2, 5..width]);
        let size = [case.batch, case.height, case.width];
        conv.run_columns(&case.input(), size, true, &spans, &mut y, &mut workers)
            .expect("memory");
        let found = y.to_channels_last();
        for span in spans {
            let [found, whole] = [&found, &whole].map(|y| columns_of(y, width, 64, span.clone()));
            assert_eq!(found, whole);
        }
    }
}

#[test]
fn maps_are_pooled_and_their_columns_moved() {
    let values = values(2 * 5 * 7 * 33, 9);
    let map = Map::from_channels_last(&values, 2, 5, 7, 33).expect("memory");
    let mut pooled = Map::default();
    map.max_of_2x2(&mut pooled).expect("memory");
    let at = |b: usize, r: usize, c: usize, k: usize| values[((b * 5 + r) * 7 + c) * 33 + k];
    let expected: Vec<f32> = (0..2 * 2 * 3 * 33)
        .map(|i| {
            let (place, k) = (i / 33, i % 33);
            let (b, r, c) = (place / 6, place / 3 % 2, place % 3);
            let pair = |r| at(b, r, 2 * c, k).max(at(b, r, 2 * c + 1, k));
            pair(2 * r).max(pair(2 * r + 1))
        })
        .collect();
    assert_eq!([pooled.height(), pooled.width()], [2, 3]);
    assert_eq!(pooled.to_channels_last(), expected);

    let mut moved = Map::default();
    moved.reshape_like(&map).expect("memory");
    moved.copy_columns(0, &map, 0..7);
    moved.copy_columns(1, &map, 3..6);
    let [found, from] = [&moved, &map].map(Map::to_channels_last);
    for (to, from_columns) in [(0..1, 0..1), (1..4, 3..6), (4..7, 4..7)] {
        let found = columns_of(&found, 7, 33, to);
        assert_eq!(found, columns_of(&from, 7, 33, from_columns));
    }
}
