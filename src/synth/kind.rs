//! The built-in kinds of things: a look and a sound of their own, from no file.

use std::ops::Range;

/// A built-in class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Bounces, and sounds when it hits the ground.
    Ball,
    /// Rings.
    Bell,
    /// Chirps.
    Bird,
    /// An engine.
    Car,
    /// Ticks.
    Clock,
    /// Rain.
    Cloud,
    /// Is struck with sticks.
    Drum,
    /// Whirrs.
    Fan,
    /// Is plucked.
    Guitar,
    /// Whistles.
    Kettle,
    /// Sings vowels.
    Mouth,
    /// Wails.
    Siren,
}

impl Kind {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 12] = [
        Self::Ball,
        Self::Bell,
        Self::Bird,
        Self::Car,
        Self::Clock,
        Self::Cloud,
        Self::Drum,
        Self::Fan,
        Self::Guitar,
        Self::Kettle,
        Self::Mouth,
        Self::Siren,
    ];

    /// The name of the class.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ball => "ball",
            Self::Bell => "bell",
            Self::Bird => "bird",
            Self::Car => "car",
            Self::Clock => "clock",
            Self::Cloud => "cloud",
            Self::Drum => "drum",
            Self::Fan => "fan",
            Self::Guitar => "guitar",
            Self::Kettle => "kettle",
            Self::Mouth => "mouth",
            Self::Siren => "siren",
        }
    }

    /// From beat to beat in seconds. Under a second: every second of a sounding
    /// thing has a beat in it.
    pub fn period_s(self) -> Range<f64> {
        match self {
            Self::Ball => 0.35..0.7,
            Self::Bell => 0.4..0.8,
            Self::Clock => 0.2..0.55,
            Self::Drum => 0.15..0.6,
            Self::Guitar => 0.12..0.5,
            Self::Mouth => 0.2..0.6,
            Self::Bird => 0.2..0.7,
            Self::Car | Self::Cloud | Self::Fan | Self::Kettle | Self::Siren => 0.3..0.8,
        }
    }
}
