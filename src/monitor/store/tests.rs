use l3net_data::result::{GapReason, StreamName};

use super::*;
use crate::detect::Normals;
use crate::event::Kind;
use crate::testing::moment;

fn event(stream: &str, kind: Kind, begin: i64, end: Option<i64>) -> StreamEvent {
    StreamEvent {
        kind,
        ..crate::testing::event(stream, begin, end)
    }
}

/// A timeline with a judged second every second from 0 to 10 min, `p` by its minute.
fn filled(store: &mut Store, stream: &StreamName) {
    store
        .at_once(|writer| {
            for number in 0..10 {
                let mut minute = Minute::new(number);
                for second in 0..60 {
                    let at = UtcMs(number * 60_000 + second * 1000 + 400);
                    minute.second_mut(at).add(number as f32 / 10.0, -30.0);
                }
                writer.minute(stream, &minute)?;
            }
            Ok(())
        })
        .expect("it can be written");
}

#[test]
fn a_folder_is_of_one_run_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Store::open(Some(folder.path())).expect("writable");
    let second = Store::open(Some(folder.path()));
    assert!(matches!(second, Err(StoreError::Taken { .. })));
    drop(first);
    assert!(Store::open(Some(folder.path())).is_ok());
}

#[test]
fn a_timeline_is_read_in_steps() {
    let mut store = Store::open(None).expect("a temporary folder");
    let stream: StreamName = "door/ä \"1\"".into();
    filled(&mut store, &stream);
    let reader = Reader::open(store.path()).expect("it is there");
    let all = reader
        .timeline(&stream, UtcMs(0), UtcMs(600_000), 10)
        .expect("readable");
    assert_eq!((all.step_ms, all.t_ms.len()), (60_000, 10));
    for (i, mean) in all.mean.iter().enumerate() {
        let mean = mean.expect("all of it was judged");
        assert!((mean - i as f32 / 10.0).abs() < 0.003);
    }
    let part = reader
        .timeline(&stream, UtcMs(598_000), UtcMs(602_000), 600)
        .expect("readable");
    assert_eq!(part.t_ms, [598_000, 599_000, 600_000, 601_000].map(UtcMs));
    let judged: Vec<_> = part.mean.iter().map(Option::is_some).collect();
    assert_eq!(judged, [true, true, false, false]);
    assert_eq!(part.oldest_ms, Some(UtcMs(0)));
    let none = reader
        .timeline("nobody", UtcMs(0), UtcMs(1), 600)
        .expect("readable");
    assert!(none.mean == [None] && none.events.is_empty());
}

#[test]
fn a_restart_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream: StreamName = "door".into();
    let open_event = event("door", Kind::Mute, 1_000, None);
    let files = EventFiles {
        clip: None,
        snapshot: Some("2026-11-30/14/door/x.jpg".into()),
    };
    let mut normals = Normals::new("m");
    {
        let mut store = Store::open(Some(folder.path())).expect("writable");
        assert!(store.is_new());
        filled(&mut store, &stream);
        let mut detectors = crate::detect::Detectors::new(Default::default(), normals.clone());
        detectors.moment(&moment(0), UtcMs(1_000));
        normals = detectors.normals().clone();
        store
            .at_once(|writer| {
                writer.event(&open_event, &files)?;
                writer.set_normals(&stream, &normals)
            })
            .expect("writable");
    }
    let mut store = Store::open(Some(folder.path())).expect("readable");
    assert!(!store.is_new());
    store
        .at_once(|writer| {
            assert_eq!(writer.unfinished()?, [(open_event, files)]);
            assert_eq!(writer.normals(&stream)?.as_ref(), Some(&normals));
            assert_eq!(writer.normals(&"nobody".into())?, None);
            // A part of a minute leaves the rest as it is.
            let mut part = Minute::new(3);
            part.second_mut(UtcMs(3 * 60_000)).add(1.0, 0.0);
            writer.minute(&stream, &part)?;
            let id = writer.stream(&stream)?;
            assert_eq!(writer.minute_there(id, 3)?.judged().count(), 60);
            assert_eq!(writer.minute_there(id, 30)?.judged().count(), 0);
            Ok(())
        })
        .expect("readable");
}

#[test]
fn a_damaged_file_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    std::fs::write(
        &path,
        b"this is no database, whatever its name says".repeat(100),
    )
    .expect("ok");
    let store = Store::open(Some(folder.path())).expect("a new one");
    assert!(store.is_new());
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .collect();
    let aside = names
        .into_iter()
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().contains("damaged-"));
    let kept = std::fs::read(aside.expect("kept").path()).expect("readable");
    assert!(kept.starts_with(b"this is no database"));
}

#[test]
fn gaps_that_go_on_are_one() {
    let mut store = Store::open(None).expect("a temporary folder");
    let stream: StreamName = "door".into();
    store
        .at_once(|writer| {
            for i in 0..100 {
                let (begin, end) = (UtcMs(i * 1000), UtcMs((i + 1) * 1000));
                writer.gap(&stream, begin, end, GapReason::NoAudio)?;
            }
            writer.gap(
                &stream,
                UtcMs(100_000),
                UtcMs(130_000),
                GapReason::Discontinuity,
            )?;
            writer.gap(&stream, UtcMs(140_000), UtcMs(141_000), GapReason::NoAudio)
        })
        .expect("writable");
    let reader = Reader::open(store.path()).expect("it is there");
    let timeline = reader
        .timeline("door", UtcMs(0), UtcMs(1_000_000), 100)
        .expect("readable");
    let gaps: Vec<_> = (timeline.gaps.iter())
        .map(|gap| (gap.begin_ms.0, gap.end_ms.0, &*gap.why))
        .collect();
    let expected = [
        (0, 100_000, "no_audio"),
        (100_000, 130_000, "discontinuity"),
        (140_000, 141_000, "no_audio"),
    ];
    assert_eq!(gaps, expected);
    let lost: Vec<_> = timeline.lost[9..15].to_vec();
    assert_eq!(lost, [10.0, 10.0, 10.0, 10.0, 0.0, 1.0]);
}

#[test]
fn events_are_found_by_what_is_asked_for() {
    let mut store = Store::open(None).expect("a temporary folder");
    let mut events = [
        event("a", Kind::Mute, 1_000, Some(5_000)),
        event("b", Kind::Mute, 2_000, Some(3_000)),
        event("a", Kind::Lost, 10_000, None),
    ];
    for (i, event) in events.iter_mut().enumerate() {
        event.id = Ulid::from_parts(event.begin_ms.0 as u64, i as u128);
    }
    store
        .at_once(|writer| {
            let none = EventFiles::default();
            events
                .iter()
                .try_for_each(|event| writer.event(event, &none))
        })
        .expect("writable");
    let reader = Reader::open(store.path()).expect("it is there");
    let all = EventQuery {
        limit: 50,
        ..EventQuery::default()
    };
    let found = |query: EventQuery| -> Vec<i64> {
        let found = reader.events(&query).expect("readable");
        found.into_iter().map(|event| event.begin_ms.0).collect()
    };
    assert_eq!(found(all.clone()), [10_000, 2_000, 1_000]);
    let of = |change: &dyn Fn(&mut EventQuery)| {
        let mut query = all.clone();
        change(&mut query);
        found(query)
    };
    assert_eq!(of(&|q| q.stream = Some("a".into())), [10_000, 1_000]);
    assert_eq!(of(&|q| q.kind = Some(Kind::Mute)), [2_000, 1_000]);
    assert_eq!(of(&|q| q.from = Some(UtcMs(4_000))), [10_000, 1_000]);
    assert_eq!(of(&|q| q.to = Some(UtcMs(1_500))), [1_000]);
    assert_eq!(of(&|q| q.before = Some(events[1].id)), [1_000]);
    assert_eq!(of(&|q| q.limit = 1), [10_000]);
    let stream = "'; DROP TABLE event; --".to_owned();
    assert_eq!(of(&|q| q.stream = Some(stream.clone())), [0_i64; 0]);
    let one = reader.event(events[1].id).expect("readable");
    assert_eq!(one.map(|(event, _)| event), Some(events[1].clone()));
}

#[test]
fn what_is_old_is_forgotten() {
    let mut store = Store::open(None).expect("a temporary folder");
    let stream: StreamName = "door".into();
    filled(&mut store, &stream);
    store
        .at_once(|writer| {
            writer.event(
                &event("door", Kind::Mute, 0, Some(1_000)),
                &EventFiles::default(),
            )?;
            writer.event(&event("door", Kind::Mute, 0, None), &EventFiles::default())?;
            writer.expire(UtcMs(5 * 60_000))
        })
        .expect("writable");
    let reader = Reader::open(store.path()).expect("it is there");
    let left = reader
        .timeline("door", UtcMs(0), UtcMs(600_000), 10)
        .expect("readable");
    assert_eq!(
        (left.mean.iter().flatten().count(), left.events.len()),
        (5, 1)
    );
}

#[test]
fn what_is_old_is_found_without_reading_the_rest() {
    let store = Store::open(None).expect("a temporary folder");
    for sql in write::EXPIRE {
        let mut plan = (store.connection)
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .expect("a plan");
        let steps = plan.query_map([0], |row| row.get::<_, String>(3));
        let steps: Vec<String> = (steps.expect("steps").collect::<Result<_, _>>()).expect("text");
        // Of all tables only that of the streams is read from end to end.
        let scanned = steps.iter().filter(|step| step.starts_with("SCAN"));
        let scanned: Vec<_> = scanned.filter(|step| *step != "SCAN stream").collect();
        assert!(
            steps.iter().any(|step| step.starts_with("SEARCH")),
            "{steps:?}"
        );
        assert!(scanned.is_empty(), "{sql}: {steps:?}");
    }
}

#[test]
fn thirty_days_of_twelve_streams_take_under_500_mb() {
    // One stream for six hours, extrapolated: 30 * 24 / 6 * 12 = 1440 times as much.
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(Some(folder.path())).expect("writable");
    let stream: StreamName = "door".into();
    for number in 0..360 {
        let mut minute = Minute::new(number);
        for second in 0..60 {
            let at = UtcMs(number * 60_000 + second * 1000);
            minute
                .second_mut(at)
                .add((second % 7) as f32 / 7.0, -(second as f32));
        }
        store
            .at_once(|writer| writer.minute(&stream, &minute))
            .expect("writable");
    }
    store
        .connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("alone");
    let bytes = std::fs::metadata(store.path()).expect("it is there").len();
    assert!(bytes * 1440 < 500_000_000, "{bytes}");
}

#[test]
fn pictures_are_bounded_and_the_oldest_go_first() {
    let store = Store::open(None).expect("a temporary folder");
    let mut pictures = Pictures::open(store.path(), 100_000).expect("writable");
    for second in 0..100_i64 {
        let of = |name: &str| {
            (
                name.to_owned(),
                UtcMs(second * 1000),
                vec![second as u8; 1000],
            )
        };
        pictures.put(&[of("a"), of("b")]).expect("writable");
    }
    let near = |stream: &str, at| {
        let found = Pictures::near(store.path(), stream, UtcMs(at)).expect("readable");
        found.map(|jpeg| jpeg[0])
    };
    assert_eq!(near("a", 99_400), Some(99));
    assert_eq!(near("b", 60_600), Some(61));
    assert_eq!(near("a", 10_000), None, "deleted");
    assert_eq!(near("a", 105_000), None, "too far");
    assert_eq!(near("c", 99_000), None);
    drop(pictures);
    let again = Pictures::open(store.path(), 100_000).expect("readable");
    assert!((90_000..=100_000).contains(&again.bytes), "{}", again.bytes);
}
