//! Training in several processes, started as torchrun does, on this machine: that they
//! compute what one does, and how they end.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::common::{self, Done, Running, l3net, run_command, tone, wait_for};
use l3net::train::Checkpoint;

/// A red and a blue picture, a low and a high tone, six files each.
fn classes(folder: &Path) {
    for (class, colour, pitch) in [
        ("low", [200_u8, 40, 40], 300.0),
        ("high", [40, 40, 200], 3000.0),
    ] {
        let [sounds, images] = ["sounds", "images"].map(|kind| folder.join(kind).join(class));
        std::fs::create_dir_all(&sounds).expect("a folder");
        std::fs::create_dir_all(&images).expect("a folder");
        for i in 0..6_u32 {
            let picture = image::RgbImage::from_fn(64, 64, |x, y| {
                let noise = ((x * 7 + y * 13 + i * 29) % 23) as u8;
                image::Rgb(colour.map(|c| c.saturating_add(noise)))
            });
            picture
                .save(images.join(format!("p{i}.png")))
                .expect("a picture");
            let pitch = pitch + 10.0 * i as f32;
            let file = sounds.join(format!("s{i}.wav"));
            std::fs::write(file, tone(48_000, 1, pitch, 0.27)).expect("a sound");
        }
    }
}

/// `l3net train` in f32 on one thread; batches of eight, unless `more` says otherwise.
fn train(folder: &Path, model: &str, more: &[&str]) -> Command {
    let mut command = l3net([
        "train",
        "--batch",
        "8",
        "--precision",
        "f32",
        "--threads",
        "1",
    ]);
    command.args(["--validation-pairs", "4", "--warm-up", "1", "-o"]);
    command
        .arg(folder.join(format!("{model}.safetensors")))
        .args(more);
    command.arg("--sounds").arg(folder.join("sounds"));
    command.arg("--images").arg(folder.join("images"));
    for name in [
        "RANK",
        "WORLD_SIZE",
        "SLURM_STEP_ID",
        "OMPI_COMM_WORLD_SIZE",
    ] {
        command.env_remove(name);
    }
    command
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its number").port()
}

/// As torchrun starts a process.
fn as_rank(mut command: Command, rank: usize, size: usize, port: u16) -> Command {
    command
        .env("RANK", rank.to_string())
        .env("LOCAL_RANK", rank.to_string())
        .env("WORLD_SIZE", size.to_string())
        .env("MASTER_ADDR", "127.0.0.1")
        .env("MASTER_PORT", port.to_string());
    command
}

/// Starts a process for each command.
fn start(commands: impl IntoIterator<Item = Command>) -> Vec<Running> {
    let commands: Vec<Command> = commands.into_iter().collect();
    let (size, port) = (commands.len(), free_port());
    let started = commands.into_iter().enumerate();
    started
        .map(|(rank, command)| Running::start(as_rank(command, rank, size, port)))
        .collect()
}

fn wait(running: Vec<Running>) -> Vec<Done> {
    let done: Vec<Done> = running.into_iter().map(Running::wait).collect();
    done.iter().for_each(Done::assert_no_panic);
    done
}

/// So many processes with the same arguments, all of which end well.
fn in_processes(size: usize, folder: &Path, model: &str, more: &[&str]) -> Vec<Done> {
    let done = wait(start((0..size).map(|_| train(folder, model, more))));
    for one in &done {
        assert_eq!(one.code, Some(0), "{}", one.err);
    }
    done
}

fn last(folder: &Path, model: &str) -> Checkpoint {
    let file = folder.join(format!("{model}.last.checkpoint"));
    Checkpoint::read(&file).expect("a checkpoint")
}

/// The largest difference, as a part of the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let differ = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differ.fold(0.0_f32, f32::max) / largest
}

/// Adam's first moment after the first step is a tenth of the gradient, with its L2.
#[test]
fn two_and_four_processes_have_the_gradient_and_the_losses_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let base = common::repo().join("models/l3net-base.safetensors");
    let base = base.to_str().expect("text");
    // Batch norm over a share is not that over the whole batch.
    let same = ["--init", base, "--freeze-norm"];
    for (steps, model) in [("1", "gradient"), ("2", "losses")] {
        let more = [&same[..], &["--steps", steps, "--validate-every", steps]].concat();
        let alone = run_command(train(folder, &format!("{model}1"), &more));
        assert_eq!(alone.code, Some(0), "{}", alone.err);
        let alone = last(folder, &format!("{model}1"));
        for size in [2, 4] {
            // One of them takes long enough.
            if (steps, size) == ("2", 4) {
                continue;
            }
            let name = format!("{model}{size}");
            let done = in_processes(size, folder, &name, &more);
            assert!(
                done[1..].iter().all(|other| other.err.is_empty()),
                "{done:?}"
            );
            let together = last(folder, &name);
            let loss = |checkpoint: &Checkpoint| checkpoint.state.validations[0].train_loss;
            let (a, b) = (loss(&alone), loss(&together));
            assert!((a - b).abs() < 1e-5 * a, "losses of {a} and {b}");
            assert_eq!(together.state.examples, alone.state.examples);
            assert_eq!(together.state.pairs, alone.state.pairs);
            if steps == "1" {
                let off = difference(&alone.mean, &together.mean);
                assert!(off < 1e-5, "{size} processes: off by {off}");
            }
        }
    }
}

/// Batch norm's statistics are the mean of what each process has seen, also where a run is
/// resumed by another number of processes.
#[test]
fn another_number_of_processes_resumes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let steps = |n: &'static str| ["--batch", "12", "--validate-every", "1", "--steps", n];
    in_processes(2, folder, "m", &steps("1"));
    let first = last(folder, "m");
    assert_eq!((first.state.step, first.state.examples), (1, 12));
    // In the first layer the mean over the shares is that over the batch, up to the rounding
    // of sums of 10^5 numbers (8e-5). That of the first share alone differs by 18 %.
    let alone = run_command(train(folder, "a", &steps("1")));
    assert_eq!(alone.code, Some(0), "{}", alone.err);
    let of = |checkpoint: &Checkpoint| checkpoint.tensors["vision.bn1_1.running_mean"].clone();
    let off = difference(&of(&last(folder, "a")), &of(&first));
    assert!(off < 1e-3, "running means are off by {off}");
    let again = [&steps("2")[..], &["--resume"]].concat();
    in_processes(3, folder, "m", &again);
    let second = last(folder, "m");
    assert_eq!((second.state.step, second.state.examples), (2, 24));
    assert_ne!(of(&first), of(&second));
}

#[test]
fn a_process_that_is_killed_ends_the_run_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let endless = ["--steps", "100000", "--save-minutes", "0"];
    let mut running =
        start((0..3).map(|_| train(folder, "k", &[&endless[..], &["--batch", "6"]].concat())));
    let saved = folder.join("k.last.checkpoint");
    wait_for("a saved step", || saved.exists());
    running[2].child.kill().expect("killed");
    let done: Vec<Done> = running.into_iter().map(Running::wait).collect();
    assert_eq!(
        [0, 1].map(|rank| done[rank].code),
        [Some(1), Some(1)],
        "{done:?}"
    );
    let told = &done[0].err;
    assert!(told.contains("rank 2 (") && told.contains("died"), "{told}");
    assert!(told.contains("--resume continues from"), "{told}");
    assert_eq!(done[1].err.lines().count(), 1, "{}", done[1].err);
    assert!(done[1].err.contains("because of rank 2"), "{}", done[1].err);
    assert!(last(folder, "k").state.step >= 1);
}

/// It takes a quarter of a minute to tell it from one that is busy.
#[test]
fn a_process_that_hangs_ends_the_run_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let endless = ["--steps", "100000", "--save-minutes", "0"];
    let mut running = start((0..2).map(|_| train(folder, "h", &endless)));
    let saved = folder.join("h.last.checkpoint");
    wait_for("a saved step", || saved.exists());
    running[1].signal("STOP");
    let first = running.remove(0).wait();
    assert_eq!(first.code, Some(1), "{}", first.err);
    let told = ["rank 1 (", "no sign of life", "--resume continues from"];
    assert!(
        told.iter().all(|words| first.err.contains(words)),
        "{}",
        first.err
    );
    assert!(last(folder, "h").state.step >= 1);
}

#[test]
fn a_signal_to_one_of_them_stops_all_after_the_same_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let endless = ["--steps", "100000", "--save-minutes", "0"];
    let running = start((0..2).map(|_| train(folder, "s", &endless)));
    let saved = folder.join("s.last.checkpoint");
    wait_for("a saved step", || saved.exists());
    running[1].signal("TERM");
    let done = wait(running);
    assert_eq!(
        [0, 1].map(|rank| done[rank].code),
        [Some(0), Some(0)],
        "{done:?}"
    );
    assert!(done[0].err.contains("stopped early"), "{}", done[0].err);
    assert!(folder.join("s.safetensors").exists());
}

#[test]
fn what_differs_between_them_is_named_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let other = folder.join("other");
    classes(&other);
    std::fs::remove_file(other.join("sounds/low/s3.wav")).expect("removed");
    let here = || train(folder, "m", &["--steps", "1"]);
    let there = train(&other, "m", &["--steps", "1"]);
    let cases = [
        (
            train(folder, "m", &["--steps", "1", "--seed", "1"]),
            "has --seed 1, rank 0 has 0",
        ),
        (there, "has the data "),
        (
            train(folder, "m", &["--steps", "1", "--batch", "6"]),
            "cannot be shared out among 2",
        ),
    ];
    for (second, words) in cases {
        let done = wait(start([here(), second]));
        for rank in [0, 1] {
            let err = &done[rank].err;
            assert_ne!(done[rank].code, Some(0), "{words}: {err}");
            assert_eq!(err.lines().count(), 1, "{words}: {err}");
            assert!(
                err.contains(words) && err.contains("rank 1 ("),
                "{words}: {err}"
            );
        }
        assert!(!folder.join("m.last.checkpoint").exists());
    }
}

#[test]
fn who_does_not_come_and_where_nobody_is_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    classes(folder);
    let short = ["--steps", "1", "--join-seconds", "1"];
    let command = || train(folder, "m", &short);
    let port = free_port();
    let first = run_command(as_rank(command(), 0, 3, port));
    assert!(
        first.err.contains("rank 1, 2 of 3 did not come"),
        "{}",
        first.err
    );
    let second = run_command(as_rank(command(), 1, 3, port));
    let words = format!("cannot reach 127.0.0.1:{port}");
    assert!(second.err.contains(&words), "{}", second.err);
    let mut lost = as_rank(command(), 1, 3, port);
    lost.env("MASTER_ADDR", "no-such-host.invalid");
    let lost = run_command(lost);
    assert!(lost.err.contains("no-such-host.invalid"), "{}", lost.err);
    let taken = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let refused = run_command(as_rank(command(), 0, 3, port));
    let words = format!("port {port} is taken");
    assert!(refused.err.contains(&words), "{}", refused.err);
    let beyond = run_command(as_rank(command(), 3, 3, port));
    assert_eq!(beyond.code, Some(2), "{}", beyond.err);
    assert!(beyond.err.contains("rank 3 of 3"), "{}", beyond.err);
    for done in [first, second, lost, refused, beyond] {
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
        assert_ne!(done.code, Some(0));
    }
    let left = std::fs::read_dir(folder).expect("a folder").count();
    assert_eq!(left, 2, "something was written beside sounds and images");
}
