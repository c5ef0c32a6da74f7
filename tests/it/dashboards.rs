//! What `pipelines/live` has for Prometheus, Grafana and those who write a TOML file fits
//! the program.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::repo;

/// A file of `pipelines/live`.
fn live(name: &str) -> PathBuf {
    repo().join("pipelines/live").join(name)
}

fn text_of(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The metrics that a text names. A histogram has three names for those who ask.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.match_indices("l3net_").map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        let parts = ["_bucket", "_count", "_sum"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(*part));
        histogram.unwrap_or(name)
    });
    names.collect()
}

/// The table of `src/sink/metrics.rs`, which users read too.
fn table() -> String {
    let source = text_of(repo().join("src/sink/metrics.rs"));
    let rows = source.lines().filter(|line| line.starts_with("//! |"));
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let table = table();
    let known = metrics(&table);
    assert!(known.contains("l3net_latency_seconds"), "{known:?}");
    for name in ["grafana.json", "alerts.yml", "alerts_test.yml"] {
        let text = text_of(live(name));
        let asked = metrics(&text);
        assert!(asked.len() > 5, "{name} asks for {asked:?} only");
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(
            unknown.is_empty(),
            "{name} asks for {unknown:?}, which src/sink/metrics.rs does not list"
        );
    }
}

#[test]
fn every_alert_has_an_example() {
    let examples = text_of(live("alerts_test.yml"));
    let rules = text_of(live("alerts.yml"));
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = alerts.collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        let named = format!("alertname: {alert}\n");
        assert!(examples.contains(&named), "alerts_test.yml has no {alert}");
    }
}

/// Runs `promtool` in `pipelines/live`; it must be content.
fn promtool(args: &[&str]) {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(live(""));
    let done = command.output().unwrap_or_else(|e| {
        panic!("promtool: {e}; `scripts/setup.sh tests` installs it, from Debian's `prometheus`")
    });
    assert!(
        done.status.success(),
        "promtool {args:?}\n{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn prometheus_accepts_its_files_and_rules_do_as_their_examples_say() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["test", "rules", "alerts_test.yml"]);
}

/// All queries of a dashboard's panels.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(of) => of.iter().for_each(|(key, value)| match value {
            Value::String(text) if key == "expr" => found.push(text.clone()),
            _ => queries(value, found),
        }),
        Value::Array(of) => of.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn prometheus_understands_the_queries_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&text_of(live("grafana.json"))).expect("JSON");
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() > 10, "{found:?}");
    // Grafana fills in the times; its other variables are in quotes. Prometheus reads rules
    // as YAML, which JSON is.
    let rules = found.iter().enumerate().map(|(i, query)| {
        let query = query
            .replace("$__rate_interval", "5m")
            .replace("$__interval", "5m");
        json!({ "record": format!("query_{i}"), "expr": query })
    });
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queries.yml");
    std::fs::write(&path, rules.to_string()).expect("written");
    promtool(&["check", "rules", path.to_str().expect("text")]);
}

#[test]
fn ids_of_panels_are_unique() {
    let dashboard: Value = serde_json::from_str(&text_of(live("grafana.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let ids: BTreeSet<u64> = panels
        .iter()
        .filter_map(|panel| panel["id"].as_u64())
        .collect();
    assert_eq!(ids.len(), panels.len());
}

#[cfg(feature = "monitor")]
mod examples {
    use l3net_monitor::settings::{
        Command, Detect, Frigate, Mqtt, Record, Settings, Text, Webhook,
    };

    use super::{live, text_of};
    use crate::common::{repo, run};

    /// A file with the settings that are switched off, too: `#key = …` and `#[table]`.
    fn with_all(text: &str) -> String {
        let switched_on = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
            _ => line,
        });
        switched_on.map(|line| format!("{line}\n")).collect()
    }

    /// What a text says, whatever is in the environment.
    fn parsed(text: &str) -> Settings {
        let result = Settings::parse(&text.replace("${", "$${"));
        result.unwrap_or_else(|(at, cause)| {
            let line = text.replace("${", "$${")[..at].lines().count();
            panic!("near line {line}: {cause}")
        })
    }

    #[test]
    fn the_program_reads_them() {
        for (name, streams) in [("streams.toml", 1), ("frigate.toml", 2)] {
            let text = text_of(live(name));
            assert_eq!(parsed(&text).stream.len(), streams, "{name}");
            assert!(parsed(&with_all(&text)).stream.len() >= streams, "{name}");
        }
    }

    #[test]
    fn no_secret_is_needed_to_try_them() {
        for name in ["streams.toml", "frigate.toml"] {
            let text = text_of(live(name));
            let settings = text.lines().filter(|line| !line.starts_with('#'));
            let asks: Vec<&str> = settings.filter(|line| line.contains("${")).collect();
            assert!(asks.is_empty(), "{name}: {asks:?}");
        }
    }

    #[test]
    fn the_long_one_has_every_key() {
        let text = with_all(&text_of(live("streams.toml")));
        let has = |key: &str| {
            text.lines().any(|line| match line.strip_prefix('[') {
                Some(table) => table
                    .trim_matches(['[', ']'])
                    .split('.')
                    .any(|part| part == key),
                None => line
                    .split_once('=')
                    .is_some_and(|(keys, _)| keys.trim().split('.').any(|part| part == key)),
            })
        };
        for name in ["mod", "detect", "record", "notify"] {
            let source = text_of(repo().join(format!("src/monitor/settings/{name}.rs")));
            let lines: Vec<&str> = source.lines().map(str::trim).collect();
            let fields = lines.windows(2).filter_map(|two| {
                let (field, _) = two[1].strip_prefix("pub ")?.split_once(": ")?;
                let is_plain = field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let is_key = !two[0].starts_with("#[serde(skip");
                (is_plain && is_key).then_some(field)
            });
            let fields: Vec<&str> = fields.collect();
            assert!(fields.len() >= 5, "{name}: {fields:?}");
            for field in fields {
                assert!(
                    has(field),
                    "streams.toml does not show `{field}` of {name}.rs"
                );
            }
        }
    }

    /// They are shown as settings that are switched off, and would mislead.
    #[test]
    fn the_long_one_shows_the_defaults() {
        let shown = parsed(&with_all(&text_of(live("streams.toml"))));
        let least = parsed("[[webhook]]\nurl = \"\"\n[frigate]\nurl = \"\"\n[[command]]\nrun = []");
        assert_eq!(shown.detect, Detect::default());

        let record = shown.record.expect("it is there");
        let expected = Record {
            max_age: record.max_age,
            ..Record::to(&record.folder)
        };
        assert_eq!(format!("{record:?}"), format!("{expected:?}"));

        let mqtt = shown.mqtt.expect("it is there");
        let expected = Mqtt::at(Text::new(""));
        assert_eq!(
            (&mqtt.prefix, mqtt.spool),
            (&expected.prefix, expected.spool)
        );
        assert_eq!(
            format!("{:?}", mqtt.discovery),
            format!("{:?}", expected.discovery)
        );

        let webhook = &shown.webhook[0];
        let expected = Webhook {
            url: webhook.url.clone(),
            headers: webhook.headers.clone(),
            body: webhook.body.clone(),
            ..least.webhook[0].clone()
        };
        assert_eq!(format!("{webhook:?}"), format!("{expected:?}"));

        let frigate = shown.frigate.expect("it is there");
        let expected = Frigate {
            url: frigate.url.clone(),
            headers: frigate.headers.clone(),
            ..least.frigate.expect("it is there")
        };
        assert_eq!(format!("{frigate:?}"), format!("{expected:?}"));

        let command = &shown.command[0];
        let expected = Command {
            run: command.run.clone(),
            ..least.command[0].clone()
        };
        assert_eq!(format!("{command:?}"), format!("{expected:?}"));
    }

    #[test]
    fn the_long_one_needs_no_camera() {
        let path = live("streams.toml");
        let path = path.to_str().expect("text");
        let done = run(["live", "--streams", path, "--check"]);
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
        assert!(
            done.out.starts_with("ok    test: picture of "),
            "{}",
            done.out
        );
    }
}
