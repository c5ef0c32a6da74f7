use std::io::{Read, Write};

use super::super::testing::{error, gap, moment, summary};
use super::*;
use crate::result::GapReason;

#[test]
fn an_address_is_of_this_machine_unless_asked_otherwise() {
    let at = |text: &str| parse(text).unwrap().to_string();
    assert_eq!(at("9000"), "127.0.0.1:9000");
    assert_eq!(at(":9000"), "127.0.0.1:9000");
    assert_eq!(at("0.0.0.0:9000"), "0.0.0.0:9000");
    assert_eq!(at("[::1]:9000"), "[::1]:9000");
    for text in ["", ":", "here", "1.2.3.4", "99999", ":-1"] {
        let said = serve(text).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("cannot serve at {text}: this is no address")),
            "{said}"
        );
    }
}

#[test]
fn a_taken_port_is_said_to_be_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = serve(&address).unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "cannot serve at {address}: the port is taken; \
             name another one, or stop the program that has it"
        )
    );
}

#[test]
fn records_become_the_figures_of_the_contract() {
    let recorder = builder().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe();
        observe(&Record::Moment(moment("cam", 0)));
        let mut damaged = moment("cam", 1);
        damaged.audio.invalid_samples = 7;
        damaged.audio.clipped_samples = 2;
        observe(&Record::Moment(damaged));
        observe(&gap("cam", 2, GapReason::Overload));
        observe(&summary("cam", 2));
        observe(&error("bad", "broken"));
        queue_depth("moments", None, 3);
        queue_depth("overlay", Some(&"cam".into()), 4);
        sink_dropped("table", 1);
        sink_failed("heatmaps");
        let stats = RunStats::default();
        let of_stream = stats.add(&"cam".into(), false);
        of_stream.dropped_blocks.store(5, Ordering::Relaxed);
        of_stream.time_jumps.store(3, Ordering::Relaxed);
        of_stream.queued_moments.store(2, Ordering::Relaxed);
        Metrics::new(stats.into()).copy_counters();
    });
    let mut text: Vec<String> = handle
        .render()
        .lines()
        // The version is another one tomorrow.
        .filter(|l| l.starts_with("l3net_") && !l.contains("_bucket") && !l.contains("version"))
        .map(str::to_owned)
        .collect();
    text.sort();
    insta::assert_snapshot!(text.join("\n"), @r###"
    l3net_clipped_samples_total{stream="cam"} 2
    l3net_correspondence{stream="cam"} 0.8299999833106995
    l3net_doubted_times_total{stream="cam"} 0
    l3net_dropped_blocks_total{stream="cam"} 5
    l3net_dropped_frames_total{stream="cam"} 0
    l3net_errors_total{stream="bad"} 1
    l3net_features_seconds_count{stream="cam"} 2
    l3net_features_seconds_sum{stream="cam"} 0.0012000000476837158
    l3net_gaps_total{stream="cam",why="overload"} 1
    l3net_invalid_samples_total{stream="cam"} 7
    l3net_lag_seconds{stream="cam"} 0
    l3net_latency_seconds_count{stream="cam"} 2
    l3net_latency_seconds_sum{stream="cam"} 0.06619999694824219
    l3net_lost_moments_total{stream="cam",why="overload"} 1
    l3net_moments_total{stream="cam"} 2
    l3net_net_seconds_count{stream="cam"} 2
    l3net_net_seconds_sum{stream="cam"} 0.062
    l3net_queue_depth{queue="moments",stream="cam"} 2
    l3net_queue_depth{queue="moments"} 3
    l3net_queue_depth{queue="overlay",stream="cam"} 4
    l3net_sink_dropped_total{sink="table"} 1
    l3net_sink_failures_total{sink="heatmaps"} 1
    l3net_time_jumps_total{stream="cam"} 3
    l3net_untimed_blocks_total{stream="cam"} 0
    l3net_wait_seconds_count{stream="cam"} 2
    l3net_wait_seconds_sum{stream="cam"} 0.0024000000953674316
    "###);
    // 33.1 ms lie between the buckets of 25 and 50.
    let rendered = handle.render();
    let bucket = |le: &str| format!("l3net_latency_seconds_bucket{{stream=\"cam\",le=\"{le}\"}}");
    assert!(rendered.contains(&(bucket("0.025") + " 0")), "{rendered}");
    assert!(rendered.contains(&(bucket("0.05") + " 2")), "{rendered}");
}

#[test]
fn figures_are_served_over_http() {
    let address = serve("127.0.0.1:0").unwrap();
    observe(&Record::Moment(moment("over \"http\"", 0)));
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    client.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let line = r#"l3net_moments_total{stream="over \"http\""} 1"#;
    assert!(page.contains(line), "{page}");
}
