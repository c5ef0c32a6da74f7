//! Classical machine learning on frozen features, as in the paper's experiments.
//!
//! Belongs here: algorithms on plain rows of numbers, each verified against
//! scikit-learn (`tests/oracle/learn.py`), and how their answers are measured
//! ([`metrics`]). Does not: features, folds, class names.
//!
//! Own code, because no crate fits: the binding of LIBLINEAR needs C++ and a sparse
//! copy of dense features (four times their memory), the SVMs of linfa and smartcore
//! compute kernels between all samples, and their k-means pulls in a linear algebra
//! library for a hundred lines. t-SNE is from a crate.

mod kmeans;
pub mod metrics;
mod neighbours;
mod nmi;
mod rows;
mod svm;
mod tsne;
mod zscore;

pub use kmeans::{KMeans, KMeansSettings};
pub use neighbours::{agreement, chance_agreement, max_agreement, neighbours};
pub use nmi::{chance_nmi, nmi};
pub use rows::Rows;
pub use svm::{LinearSvm, Loss, SvmSettings, strongest};
pub use tsne::{Embedding, ROUNDS, TsneError};
pub use zscore::ZScore;

#[cfg(test)]
pub(super) mod testing {
    //! Values of scikit-learn.

    use serde::Deserialize;

    use super::Rows;

    #[derive(Deserialize)]
    pub struct Golden {
        pub sets: Vec<Set>,
        pub svm: Vec<Svm>,
        pub zscore: Standardised,
        pub kmeans: Vec<Clusters>,
        pub nmi: Vec<Nmi>,
        pub tsne: Vec<Tsne>,
    }

    #[derive(Deserialize)]
    pub struct Set {
        pub width: usize,
        pub values: Vec<f32>,
        pub labels: Vec<usize>,
    }

    #[derive(Deserialize)]
    pub struct Svm {
        pub set: usize,
        pub c: f64,
        pub loss: String,
        pub weights: Vec<Vec<f64>>,
        pub predicted: Vec<usize>,
    }

    #[derive(Deserialize)]
    pub struct Standardised {
        pub set: usize,
        pub values: Vec<f32>,
    }

    #[derive(Deserialize)]
    pub struct Clusters {
        pub set: usize,
        pub first: Vec<f32>,
        pub centers: Vec<f32>,
        pub labels: Vec<usize>,
        pub inertia: f64,
        pub best_inertia: f64,
        pub worst_of_ten: f64,
    }

    #[derive(Deserialize)]
    pub struct Nmi {
        pub a: Vec<usize>,
        pub b: Vec<usize>,
        pub nmi: f64,
    }

    #[derive(Deserialize)]
    pub struct Tsne {
        pub set: usize,
        pub perplexity: usize,
        /// Half of the starts end below it.
        pub divergence: f64,
    }

    pub fn golden() -> Golden {
        let text = include_str!("../../../tests/data/learn.json");
        serde_json::from_str(text).expect("the oracle's JSON")
    }

    impl Set {
        pub fn rows(&self) -> Rows {
            Rows::new(self.values.clone(), self.width)
        }
    }
}
