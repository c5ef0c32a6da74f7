//! Errors of model files and of the network; each prints as one line.

use std::path::PathBuf;

use super::layout::Modality;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the model: {cause}; check the path", file.display())]
    Read {
        /// The model file.
        file: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The file is of another format.
    #[error("{}: not a safetensors file but {what}", file.display())]
    NotSafetensors {
        /// The model file.
        file: PathBuf,
        /// What the file is instead, and the next step.
        what: String,
    },
    /// The file ends before its tensors do.
    #[error("{}: truncated: {tensor} ends at byte {expected}, the file at {actual}; get a complete copy of it", file.display())]
    Truncated {
        /// The model file.
        file: PathBuf,
        /// The first incomplete tensor, or the header.
        tensor: String,
        /// Where it should end.
        expected: u64,
        /// Where the file ends.
        actual: u64,
    },
    /// The offsets and shapes in the header contradict each other.
    #[error("{}: damaged safetensors header: {what}; get a complete copy of it", file.display())]
    Damaged {
        /// The model file.
        file: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// An entry of the header's metadata is missing or has another value.
    #[error("{}: metadata `{key}` is {found}, expected {expected}; {next}", file.display())]
    Metadata {
        /// The model file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value in quotes, or "missing".
        found: String,
        /// The valid values.
        expected: String,
        /// What it means and what to do.
        next: &'static str,
    },
    /// A tensor of the network is not in the file.
    #[error("{}: tensor {tensor} is missing{}; this is not a complete l3net/1 model", file.display(), others(*more))]
    Missing {
        /// The model file.
        file: PathBuf,
        /// The first missing one.
        tensor: String,
        /// How many more there are.
        more: usize,
    },
    /// The file holds a tensor that the network does not have.
    #[error("{}: tensor {tensor} is not of the network{}; remove it or use the right file", file.display(), others(*more))]
    Extra {
        /// The model file.
        file: PathBuf,
        /// The first such tensor.
        tensor: String,
        /// How many more there are.
        more: usize,
    },
    /// A tensor has the wrong shape.
    #[error("{}: tensor {tensor} has shape {found:?}, expected {expected:?}; the file is of another network", file.display())]
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
    StoredType {
        /// The model file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type in the file.
        found: String,
    },
    /// A tensor holds invalid values.
    #[error("{}: tensor {tensor} holds {what}; its training failed or the file is damaged", file.display())]
    Values {
        /// The model file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What was found.
        what: &'static str,
    },
    /// The model lacks one of the two trunks.
    #[error("{}: has no {} trunk, only {}: it has features of {}, and cannot say whether picture and sound belong together; import both files: l3net model import AUDIO.h5 IMAGE.h5 -o MODEL", file.display(), modality.name(), other(*modality).name(), what_is_left(*modality))]
    NoTrunk {
        /// The model file.
        file: PathBuf,
        /// The trunk.
        modality: Modality,
    },
    /// The model has no fusion.
    #[error("{f}: has two trunks and nothing yet on top that says whether picture and sound belong together; learn that from your own recordings: l3net adapt --model {f} RECORDINGS... -o cameras.safetensors, or l3net train --init {f} --freeze trunks", f = file.display())]
    NoFusion {
        /// The model file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error("{}: cannot write the model: {cause}", file.display())]
    Write {
        /// The model file.
        file: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
}

fn other(modality: Modality) -> Modality {
    match modality {
        Modality::Vision => Modality::Audio,
        Modality::Audio => Modality::Vision,
    }
}

/// What a model without a trunk can be used for.
fn what_is_left(missing: Modality) -> &'static str {
    match missing {
        Modality::Vision => "sounds",
        Modality::Audio => "pictures",
    }
}

fn others(more: usize) -> String {
    match more {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    }
}

/// The network cannot be set up or run.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The requested device is not available.
    #[error("--device {device}: {why}")]
    Device {
        /// The requested device.
        device: String,
        /// Why not, and the next step.
        why: String,
    },
    /// The model has no such part.
    #[error("the model has no {0}")]
    NoPart(&'static str),
    /// Features of another shape than the network's.
    #[error("features {index} of the batch: {what}")]
    Features {
        /// Index in the batch.
        index: usize,
        /// What is wrong.
        what: String,
    },
    /// The system has no more threads.
    #[error("cannot start the threads of the network: {0}; try fewer with --threads")]
    Threads(std::io::Error),
    /// Too little memory for our own convolutions.
    #[error("{0}; smaller batches or pictures need less")]
    OutOfMemory(#[from] l3net_conv::OutOfMemory),
    /// The input or the weights of a trunk are not of its shape.
    #[error("{what} of {expected:?} values were expected, not of {found:?}")]
    Shape {
        /// What it is.
        what: String,
        /// Its shape.
        found: Vec<i64>,
        /// The network's shape.
        expected: Vec<i64>,
    },
    /// libtorch failed, usually for lack of memory (see
    /// [`is_out_of_memory`](Self::is_out_of_memory)).
    #[error("libtorch: {0}")]
    Torch(String),
}

/// What libtorch and the libraries below it say when they run out of memory, in lower
/// case.
const OUT_OF_MEMORY: [&str; 6] = [
    "out of memory",              // CUDA's caching allocator, and the driver itself
    "defaultcpuallocator",        // it fails for no other reason
    "not enough memory",          // the same on other systems
    "cublas_status_alloc_failed", // cuBLAS for its handle or workspace
    "cudnn_status_alloc_failed",  // cuDNN, likewise
    "bad_alloc",                  // the C++ library
];

impl NetError {
    /// Whether the device or the machine had too little memory: a smaller batch may
    /// succeed. libtorch has no code for it, only its text.
    pub fn is_out_of_memory(&self) -> bool {
        let text = match self {
            Self::OutOfMemory(_) => return true,
            Self::Torch(text) => text,
            _ => return false,
        };
        let text = text.to_ascii_lowercase();
        OUT_OF_MEMORY.iter().any(|sign| text.contains(sign))
    }
}

impl From<tch::TchError> for NetError {
    fn from(error: tch::TchError) -> Self {
        // The lines after the first are a C++ stack.
        let text = error.to_string();
        let first = text.lines().find(|line| !line.trim().is_empty());
        Self::Torch(
            first
                .unwrap_or("failed without a message")
                .trim()
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_memory_differs_from_other_failures() {
        let table = [
            (
                "CUDA out of memory. Tried to allocate 2.20 GiB. GPU 0 has a total capacity of \
                 7.79 GiB of which 1.32 GiB is free. Including non-PyTorch memory, this process \
                 has 6.46 GiB memory in use. Of the allocated memory 6.10 GiB is allocated by \
                 PyTorch, and 202.18 MiB is reserved by PyTorch but unallocated.",
                true,
            ),
            ("CUDA error: out of memory", true),
            (
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                true,
            ),
            ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", true),
            (
                "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't \
                 allocate memory: you tried to allocate 4503599627370496 bytes. Error code 12 \
                 (Cannot allocate memory)",
                true,
            ),
            (
                "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough \
                 memory: you tried to allocate 9663676416 bytes.",
                true,
            ),
            ("std::bad_alloc", true),
            (
                "CUDA error: an illegal memory access was encountered",
                false,
            ),
            ("CUDA error: device-side assert triggered", false),
            (
                "Given groups=1, weight of size [64, 3, 3, 3], expected input[1, 1, 257, 199] to \
                 have 3 channels, but got 1 channels instead",
                false,
            ),
            ("could not execute a primitive", false),
        ];
        for (text, expected) in table {
            let error = NetError::from(tch::TchError::Torch(text.to_owned()));
            assert_eq!(error.is_out_of_memory(), expected, "{text}");
        }
        let refused = NetError::Device {
            device: "cuda:0".to_owned(),
            why: "out of memory".to_owned(),
        };
        assert!(!refused.is_out_of_memory());
    }

    #[test]
    fn what_libtorch_says_of_an_impossible_size_is_out_of_memory() {
        let pebibytes = tch::Tensor::f_empty([1 << 50], (tch::Kind::Float, tch::Device::Cpu));
        let error = NetError::from(pebibytes.expect_err("no machine has that much"));
        assert!(error.is_out_of_memory(), "{error}");
    }
}
