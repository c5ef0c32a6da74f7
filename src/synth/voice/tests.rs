use super::*;
use crate::corpus::rng;
use crate::time::WINDOW_SAMPLES;

fn seconds(kind: Kind, position: u64, seconds: usize) -> Vec<f32> {
    let mut rng = rng(1, kind as u64, position);
    let rhythm = Rhythm::draw(kind.period_s(), &mut rng);
    let mut pcm = vec![0.0; seconds * WINDOW_SAMPLES];
    voice(kind, &rhythm, -0.25, &mut rng).render(&mut pcm);
    pcm
}

fn rms(pcm: &[f32]) -> f32 {
    (pcm.iter().map(|v| v * v).sum::<f32>() / pcm.len() as f32).sqrt()
}

#[test]
fn a_voice_is_the_same_in_blocks_of_any_size() {
    for kind in Kind::ALL {
        let whole = seconds(kind, 0, 1);
        let mut rng = rng(1, kind as u64, 0);
        let rhythm = Rhythm::draw(kind.period_s(), &mut rng);
        let mut voice = voice(kind, &rhythm, -0.25, &mut rng);
        let mut blocks = vec![0.0; WINDOW_SAMPLES];
        let mut sizes = [1, 7, 480, 1_000, 64].iter().cycle();
        let mut rest = &mut blocks[..];
        while !rest.is_empty() {
            let size = (*sizes.next().expect("without end")).min(rest.len());
            let (block, after) = rest.split_at_mut(size);
            voice.render(block);
            rest = after;
        }
        assert!(whole == blocks, "{kind:?}");
    }
}

#[test]
fn voices_are_about_equally_loud_and_none_is_silent_for_a_second() {
    for kind in Kind::ALL {
        let mut levels = Vec::new();
        for position in 0..12 {
            let pcm = seconds(kind, position, 3);
            levels.push(20.0 * rms(&pcm).log10());
            for second in pcm.chunks(WINDOW_SAMPLES) {
                let level = 20.0 * rms(second).log10();
                assert!(level > -35.0, "{kind:?} {position}: {level}");
            }
        }
        let mean = levels.iter().sum::<f32>() / levels.len() as f32;
        assert!((-25.0..-16.0).contains(&mean), "{kind:?}: {mean} dB");
    }
}

#[test]
fn two_things_of_a_kind_sound_differently() {
    for kind in Kind::ALL {
        assert_ne!(seconds(kind, 0, 1), seconds(kind, 1, 1), "{kind:?}");
    }
}
