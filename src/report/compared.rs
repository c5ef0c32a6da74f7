//! Figures of several networks next to each other.

use serde::{Serialize, Serializer};

use crate::eval::networks::{DIRECT, Networks};

/// Figures of the evaluated network and of those it is compared with, in the order
/// of [`Networks::names`]; in JSON an object by name.
#[derive(Clone, Debug)]
pub struct Compared<S>(Vec<(&'static str, S)>);

impl<S> Compared<S> {
    /// From the scores of each judge; `None` if nothing was judged.
    pub fn of(networks: &Networks, scores: impl Fn(usize) -> Option<S>) -> Option<Self> {
        let named = networks.names().enumerate();
        let all: Vec<_> = named
            .filter_map(|(nth, name)| Some((name, scores(nth)?)))
            .collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// From what each network's answers came to, in order.
    pub fn each<T>(networks: &Networks, results: &[T], score: impl Fn(&T) -> S) -> Self {
        let named = networks.names().zip(results);
        Self(named.map(|(name, result)| (name, score(result))).collect())
    }

    /// The figures of the evaluated network.
    pub fn model(&self) -> &S {
        &self.0[0].1
    }

    /// The figures in order.
    pub fn values(&self) -> impl Iterator<Item = &S> {
        self.0.iter().map(|(_, scores)| scores)
    }

    /// The figures with their networks' display names.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &S)> {
        (self.0.iter()).map(|(name, scores)| (display_name(name), scores))
    }
}

impl<S: Serialize> Serialize for Compared<S> {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        to.collect_map(self.0.iter().map(|(name, scores)| (name, scores)))
    }
}

/// A network's name for people.
pub fn display_name(name: &'static str) -> &'static str {
    match name {
        "untrained" => "untrained network",
        "pretrained" => "supervised pretraining",
        DIRECT => "supervised, direct combination",
        other => other,
    }
}
