//! `l3net decode`: the other side of [`ProcessOpener`](crate::media::ProcessOpener).

use crate::cmd::common::TalkArgs;
use crate::media;

/// Decode files for another process of this program, which starts it
#[derive(clap::Args, Clone, Debug)]
pub struct DecodeArgs {
    /// Bytes of memory that it may use
    #[arg(long, value_name = "BYTES")]
    pub memory: u64,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Serves until the parent ends.
///
/// # Errors
/// If it was not started by such a process.
pub fn run(args: &DecodeArgs) -> anyhow::Result<bool> {
    args.talk.start_log(std::io::stderr);
    media::serve(args.memory)?;
    Ok(true)
}
