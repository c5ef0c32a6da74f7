use super::filters::Resonance;
use super::*;
use crate::corpus::{WINDOW_SAMPLES, rng};
use crate::synth::kind::{KINDS, ThingKind};
use crate::synth::rhythm::Rhythm;

fn voice(kind: &ThingKind, position: u64) -> Box<dyn Voice> {
    let number = KINDS.iter().position(|k| k.name == kind.name);
    let mut rng = rng(1, number.expect("built in") as u64, position);
    let rhythm = Rhythm::draw(kind.period_s.clone(), &mut rng);
    kind.voice(&rhythm, -0.25, &mut rng)
}

fn seconds(kind: &ThingKind, position: u64, seconds: usize) -> Vec<f32> {
    let mut pcm = vec![0.0; seconds * WINDOW_SAMPLES];
    voice(kind, position).render(&mut pcm);
    pcm
}

fn rms(pcm: &[f32]) -> f32 {
    (pcm.iter().map(|v| v * v).sum::<f32>() / pcm.len() as f32).sqrt()
}

#[test]
fn a_voice_is_the_same_in_blocks_of_any_size() {
    for kind in &KINDS {
        let whole = seconds(kind, 0, 1);
        let mut voice = voice(kind, 0);
        let mut blocks = vec![0.0; WINDOW_SAMPLES];
        let mut sizes = [1, 7, 480, 1_000, 64].iter().cycle();
        let mut rest = &mut blocks[..];
        while !rest.is_empty() {
            let size = (*sizes.next().expect("without end")).min(rest.len());
            let (block, after) = rest.split_at_mut(size);
            voice.render(block);
            rest = after;
        }
        assert!(whole == blocks, "{}", kind.name);
    }
}

#[test]
fn voices_are_about_equally_loud_and_none_is_silent_for_a_second() {
    for kind in &KINDS {
        let mut levels = Vec::new();
        for position in 0..12 {
            let pcm = seconds(kind, position, 3);
            levels.push(20.0 * rms(&pcm).log10());
            for second in pcm.chunks(WINDOW_SAMPLES) {
                let level = 20.0 * rms(second).log10();
                assert!(level > -35.0, "{} {position}: {level}", kind.name);
            }
        }
        let mean = levels.iter().sum::<f32>() / levels.len() as f32;
        assert!((-25.0..-16.0).contains(&mean), "{}: {mean} dB", kind.name);
    }
}

#[test]
fn two_things_of_a_kind_sound_differently() {
    for kind in &KINDS {
        assert_ne!(seconds(kind, 0, 1), seconds(kind, 1, 1), "{}", kind.name);
    }
}

/// How loud a voice is in some bands, against its whole, and how uneven.
fn fingerprint(pcm: &[f32]) -> Vec<f32> {
    let whole = rms(pcm).ln();
    let mut print: Vec<f32> = (0..9)
        .map(|band| {
            let hz = 60.0 * 2.0_f32.powi(band);
            let mut filter = Resonance::at(hz, hz * 0.7);
            let filtered: Vec<f32> = pcm.iter().map(|v| filter.next(*v)).collect();
            (rms(&filtered) + 1e-5).ln() - whole
        })
        .collect();
    let parts = pcm.chunks(960).map(|part| (rms(part) + 1e-4).ln() - whole);
    let parts: Vec<f32> = parts.collect();
    print.push(rms(&parts));
    print
}

#[test]
fn kinds_can_be_told_apart_by_their_sound() {
    const EACH: u64 = 10;
    let prints: Vec<(&str, Vec<f32>)> = KINDS
        .iter()
        .flat_map(|kind| {
            (0..EACH).map(move |i| (kind.name, fingerprint(&seconds(kind, 50 + i, 2))))
        })
        .collect();
    let far = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let right = prints.iter().enumerate().filter(|(i, (kind, print))| {
        let others = prints.iter().enumerate().filter(|(j, _)| j != i);
        let nearest = others.min_by(|(_, a), (_, b)| far(&a.1, print).total_cmp(&far(&b.1, print)));
        nearest.is_some_and(|(_, (nearest, _))| nearest == kind)
    });
    let share = right.count() as f32 / prints.len() as f32;
    // Of twelve, chance is right in 8 of 100.
    assert!(share > 0.6, "{share}");
}
