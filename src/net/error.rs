//! What can go wrong with a model file or with the network, in one line each.

use std::path::PathBuf;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the model: {cause}; check the path", file.display())]
    Read {
        /// The model file.
        file: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is something else.
    #[error("{}: not a safetensors file but {what}", file.display())]
    NotSafetensors {
        /// The model file.
        file: PathBuf,
        /// What it is, and the next step.
        what: String,
    },
    /// The file ends before its tensors do.
    #[error("{}: truncated: {tensor} ends at byte {expected}, the file at {actual}; get a whole copy of it", file.display())]
    Truncated {
        /// The model file.
        file: PathBuf,
        /// The first tensor that is not whole, or the header.
        tensor: String,
        /// Where it should end.
        expected: u64,
        /// Where the file ends.
        actual: u64,
    },
    /// The header's places and shapes do not fit together.
    #[error("{}: damaged safetensors header: {what}; get a whole copy of it", file.display())]
    Damaged {
        /// The model file.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The header's metadata does not say what it must.
    #[error("{}: metadata `{key}` is {found}, expected {expected}; {next}", file.display())]
    Metadata {
        /// The model file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value in quotes, or "missing".
        found: String,
        /// What would do.
        expected: &'static str,
        /// What to do about it.
        next: &'static str,
    },
    /// A tensor of the network is not in the file.
    #[error("{}: tensor {tensor} is missing{}; this file is not a whole l3net/1 model", file.display(), others(*more))]
    Missing {
        /// The model file.
        file: PathBuf,
        /// The first that is missing.
        tensor: String,
        /// How many more are.
        more: usize,
    },
    /// A tensor in the file is not of the network.
    #[error("{}: tensor {tensor} is not of the network{}; remove it or use the right file", file.display(), others(*more))]
    Extra {
        /// The model file.
        file: PathBuf,
        /// The first that is too much.
        tensor: String,
        /// How many more are.
        more: usize,
    },
    /// A tensor has the wrong shape.
    #[error("{}: tensor {tensor} has shape {found:?}, expected {expected:?}; this is another network's file", file.display())]
    Shape {
        /// The model file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The network's shape.
        expected: Vec<usize>,
    },
    /// A tensor is stored as something other than f16, bf16 or f32.
    #[error("{}: tensor {tensor} is stored as {found}; store it as f16, bf16 or f32", file.display())]
    Kind {
        /// The model file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// How it is stored.
        found: String,
    },
    /// A tensor holds values that no network can have.
    #[error("{}: tensor {tensor} holds {what}; its training failed or the file is damaged", file.display())]
    Values {
        /// The model file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What was found.
        what: &'static str,
    },
    /// The file cannot be written.
    #[error("{}: cannot write the model: {cause}", file.display())]
    Write {
        /// The model file.
        file: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
}

fn others(more: usize) -> String {
    match more {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    }
}

/// The network cannot be set up, or cannot judge.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The device asked for cannot be had.
    #[error("--device {device}: {why}")]
    Device {
        /// What was asked for.
        device: String,
        /// Why not, and the next step.
        why: String,
    },
    /// Features that do not have the network's shape.
    #[error("features {index} of the batch: {what}")]
    Features {
        /// Which of the batch.
        index: usize,
        /// What is wrong.
        what: String,
    },
    /// libtorch failed: out of memory, mostly.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl From<tch::TchError> for NetError {
    fn from(error: tch::TchError) -> Self {
        // Behind the first line comes a C++ stack.
        let text = error.to_string();
        let first = text.lines().find(|line| !line.trim().is_empty());
        Self::Torch(first.unwrap_or("failed without a word").trim().to_owned())
    }
}
