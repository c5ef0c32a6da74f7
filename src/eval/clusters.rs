//! Do files of one class lie together? k-means on pool4, compared with the classes
//! (paper, section 3.5.3, Table 4).

use serde::Serialize;

use crate::learn::{KMeans, KMeansSettings, Rows, chance_nmi, nmi};

/// Clusters of rows, compared with their classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clustered {
    /// Number of rows.
    pub samples: usize,
    /// Number of clusters.
    pub clusters: usize,
    /// Normalised mutual information of clusters and classes, 0 to 1.
    pub nmi: f64,
}

/// Random draws that the chance level is a mean of.
const CHANCES: usize = 20;

/// Clusters rows and compares the clusters with `labels`; `None` with fewer rows than
/// clusters.
pub fn clustered(rows: &Rows, labels: &[usize], clusters: usize, seed: u64) -> Option<Clustered> {
    let settings = KMeansSettings {
        clusters,
        seed,
        ..KMeansSettings::default()
    };
    let found = KMeans::find(rows, &settings)?;
    Some(Clustered {
        samples: rows.len(),
        clusters,
        nmi: nmi(labels, &found.labels),
    })
}

/// Mutual information of clusters drawn at random: above 0, because few samples in
/// many clusters agree by accident.
pub fn chance_level(labels: &[usize], clusters: usize, seed: u64) -> f64 {
    chance_nmi(labels, clusters, CHANCES, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separate_groups_are_found_as_clusters() {
        let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let values = labels.iter().enumerate().flat_map(|(i, &l)| {
            let wobble = (i * 7 % 5) as f32 / 50.0;
            [10.0 * l as f32 + wobble, wobble]
        });
        let rows = Rows::new(values.collect(), 2);
        let found = clustered(&rows, &labels, 3, 0).expect("clusters");
        assert!((found.nmi - 1.0).abs() < 1e-9, "{found:?}");
        assert!(chance_level(&labels, 3, 0) < 0.2);
        assert!(clustered(&rows, &labels, 61, 0).is_none());
    }
}
