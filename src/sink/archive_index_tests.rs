use crate::time::MediaTime;

use super::super::testing::{error, failed, gap, measured, moment, summary, summary_of};
use super::*;

fn admit(progress: &mut ArchiveIndex, record: &Record) -> bool {
    progress.admit(&Entry::from(record))
}

#[test]
fn a_moment_is_new_once_in_whatever_order_moments_come() {
    let mut progress = ArchiveIndex::default();
    for seq in [0, 1, 5, 3, 4] {
        assert!(admit(&mut progress, &Record::Moment(moment("a", seq))));
    }
    for seq in [0, 1, 3, 4, 5] {
        assert!(!admit(&mut progress, &Record::Moment(moment("a", seq))));
    }
    let stream = progress.stream("a").unwrap();
    assert_eq!((stream.moments(), stream.next_seq()), (5, 6));
    assert!(admit(&mut progress, &Record::Moment(moment("a", 2))));
    let stream = progress.stream("a").unwrap();
    assert_eq!((stream.moments(), stream.next_seq()), (6, 6));
    assert!(stream.above.is_empty());
    assert!((stream.mean_correspondence().unwrap() - 0.83).abs() < 1e-6);
    assert!(admit(&mut progress, &Record::Moment(moment("b", 0))));
}

#[test]
fn an_error_opens_a_finished_stream_again_and_is_reported_once() {
    let mut progress = ArchiveIndex::default();
    assert!(admit(&mut progress, &error("a", "broken")));
    assert!(!progress.is_finished("a"));
    assert!(!admit(&mut progress, &error("a", "broken")));
    assert!(admit(&mut progress, &summary("a", 3)));
    assert!(progress.is_finished("a"));
    // Said before: a stale journal must not open a finished stream.
    assert!(!admit(&mut progress, &error("a", "broken")));
    assert!(!admit(&mut progress, &summary("a", 3)));
    assert!(progress.is_finished("a"));
    assert!(admit(&mut progress, &error("a", "worse")));
    assert!(!progress.is_finished("a"));
}

#[test]
fn a_gap_is_known_by_its_start_and_reason() {
    let mut progress = ArchiveIndex::default();
    assert!(admit(&mut progress, &gap("a", 1, GapReason::NoAudio)));
    assert!(!admit(&mut progress, &gap("a", 1, GapReason::NoAudio)));
    assert!(admit(&mut progress, &gap("a", 1, GapReason::NoVideo)));
    assert!(admit(&mut progress, &gap("a", 2, GapReason::NoAudio)));
    assert_eq!(progress.stream("a").unwrap().gaps(), 3);
}

#[test]
fn a_file_is_measured_once_and_another_of_its_name_again() {
    let mut progress = ArchiveIndex::default();
    assert!(!progress.is_measured("a", Some(7)));
    assert!(admit(&mut progress, &measured("a", Some(7))));
    assert!(!admit(&mut progress, &measured("a", Some(7))));
    assert!(progress.is_measured("a", Some(7)));
    assert!(!progress.is_measured("a", Some(8)));
    assert!(admit(&mut progress, &measured("a", Some(8))));
    assert!(!progress.is_finished("a"));
    assert!(admit(&mut progress, &summary("a", 0)));
    // Of a stream that was finished without it.
    assert!(admit(&mut progress, &summary("b", 0)));
    assert!(admit(&mut progress, &measured("b", None)));
    assert!(progress.is_finished("b"));
}

#[test]
fn a_stream_that_was_stopped_is_resumed_later() {
    let mut progress = ArchiveIndex::default();
    let Record::Summary(mut stopped) = summary("a", 1) else {
        unreachable!("a summary")
    };
    stopped.interrupted = true;
    assert!(admit(&mut progress, &Record::Summary(stopped.clone())));
    assert!(!progress.is_finished("a"));
    // Stopped again before it got any further.
    assert!(!admit(&mut progress, &Record::Summary(stopped)));
    assert!(admit(&mut progress, &summary("a", 2)));
    assert!(progress.is_finished("a"));
}

#[test]
fn a_file_of_another_size_is_another() {
    let mut progress = ArchiveIndex::default();
    assert!(!progress.is_of_another("a", Some(3)), "nothing is there");
    assert!(admit(&mut progress, &summary_of("a", 2, 7)));
    assert!(!progress.is_of_another("a", Some(7)));
    assert!(!progress.is_of_another("a", None), "nobody knows");
    assert!(progress.is_of_another("a", Some(8)));
    // It failed; now it is longer, and is resumed.
    let [mut end, cause] = failed("bad", 1, "cut off");
    if let Record::Summary(end) = &mut end {
        end.bytes = Some(7);
    }
    assert!(admit(&mut progress, &end) && admit(&mut progress, &cause));
    assert!(!progress.is_of_another("bad", Some(8)));
    // Written before sizes were.
    assert!(admit(&mut progress, &summary("old", 1)));
    assert!(!progress.is_of_another("old", Some(3)));
}

#[test]
fn another_hop_is_seen_once_it_is_sure() {
    let mut progress = ArchiveIndex::default();
    let hop = |seconds| Hop::from_secs(seconds).expect("a hop");
    // Every third of a second, and nothing is known from 1 s to 5 s.
    for seq in 0..8_u64 {
        let ms = if seq < 4 { 0 } else { 4_000 };
        let mut moment = moment("a", seq);
        moment.start_ns = MediaTime(seq * 1_000_000_000 / 3 + ms * 1_000_000);
        assert!(admit(&mut progress, &Record::Moment(moment)));
        let stream = progress.stream("a").expect("there");
        assert_eq!(stream.other_hop(hop(1.0)).is_some(), seq > 0, "{seq}");
        assert_eq!(stream.other_hop(hop(1.0 / 3.0)), None, "{seq}");
    }
    let stream = progress.stream("a").expect("there");
    assert_eq!(stream.other_hop(hop(0.5)), Some(333_333_333));
    // Two moments with a gap between them say nothing.
    assert!(admit(&mut progress, &gap("b", 1, GapReason::NoVideo)));
    for seq in 0..2 {
        let mut moment = moment("b", seq);
        moment.start_ns = MediaTime(seq * 2_000_000_000);
        assert!(admit(&mut progress, &Record::Moment(moment)));
    }
    assert_eq!(
        progress.stream("b").expect("there").other_hop(hop(1.0)),
        None
    );
}

#[test]
fn a_stream_that_fails_again_and_again_is_never_finished() {
    let mut progress = ArchiveIndex::default();
    let [end, cause] = failed("a", 0, "broken");
    assert!(admit(&mut progress, &end));
    assert!(!progress.is_finished("a"), "killed before the error's line");
    assert!(admit(&mut progress, &cause));
    for _ in 0..3 {
        assert!(!admit(&mut progress, &end));
        assert!(!admit(&mut progress, &cause));
        assert!(!progress.is_finished("a"));
    }
    // It gets further, and fails in the same way.
    assert!(admit(&mut progress, &Record::Moment(moment("a", 0))));
    assert!(admit(&mut progress, &failed("a", 1, "broken")[0]));
    assert!(!progress.is_finished("a"));
    assert!(admit(&mut progress, &summary("a", 2)));
    assert!(progress.is_finished("a"));
    assert!(!admit(&mut progress, &end));
    assert!(progress.is_finished("a"));
}

#[test]
fn another_crop_other_frames_and_another_model_are_seen() {
    let mut progress = ArchiveIndex::default();
    assert!(admit(&mut progress, &Record::Moment(moment("a", 0))));
    let stream = progress.stream("a").expect("there");
    assert_eq!(stream.other_crop(Crop::Full), None);
    for other in [Crop::Center, Crop::Squeeze] {
        assert_eq!(stream.other_crop(other), Some(Crop::Full));
    }
    assert_eq!(stream.other_model("base@11111111"), None, "nobody knows");
    assert_eq!(stream.other_keyframes(true), None, "nobody knows");
    assert!(admit(&mut progress, &summary_of("a", 1, 7)));
    let stream = progress.stream("a").expect("there");
    assert_eq!(stream.other_keyframes(false), None);
    assert_eq!(stream.other_keyframes(true), Some(false));
    // By its weights, whatever its file is called now.
    assert_eq!(stream.other_model("renamed@0f3a91c2"), None);
    assert_eq!(
        stream.other_model("cameras@11111111"),
        Some("cameras@0f3a91c2")
    );
}
