//! What the shards of one run have in common.

use serde::{Deserialize, Serialize};

/// The layout and the record, as this version writes them.
pub const RUN_FORMAT: &str = "l3net-run/1";

/// What is recorded when a run begins, and held against each shard that joins it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RUN_FORMAT`].
    pub format: String,
    /// Version of the program.
    pub version: String,
    /// Name and hash of the model.
    pub model: String,
    /// Number of shards.
    pub shards: u32,
    /// Options that change results, by their names, in the order of the help: as given, or
    /// their defaults.
    pub settings: Vec<(String, String)>,
    /// When it began, in UTC (RFC 3339).
    pub begun: String,
}

impl RunRecord {
    /// What is different here from `recorded`, a line each; nothing if this shard may join.
    pub fn differences(&self, recorded: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, here: &str, there: &str| {
            if here != there {
                found.push(format!("{what} {there}, not {here}"));
            }
        };
        compare("l3net", &self.version, &recorded.version);
        // Whatever the file is called on this machine.
        if weights(&self.model) != weights(&recorded.model) {
            compare("--model", &self.model, &recorded.model);
        }
        let [here, there] = [self.shards, recorded.shards].map(|count| format!("/{count}"));
        compare("--shard", &here, &there);
        for (name, here) in &self.settings {
            let there = recorded.setting(name).unwrap_or("unknown");
            compare(name, here, there);
        }
        found
    }

    fn setting(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The hash of the weights in a model's name.
fn weights(model: &str) -> &str {
    model.rsplit('@').next().unwrap_or(model)
}
