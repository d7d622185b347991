//! The `chreode` command: cell dynamics from time-stamped cells, without writing a program.
//!
//! One file a subcommand; what several of them need is in [`arguments`], [`cells`], [`table`], [`output`], [`progress`] and
//! [`report`]. Results go to stdout, progress and errors to stderr; the exit code is 0 for success, 1 for a failure and 2
//! for a usage error.

mod arguments;
mod benchmark;
mod carry;
mod cells;
mod columns;
mod couple;
mod demo;
mod doctor;
mod evaluate;
mod failure;
mod fates;
mod fit;
mod generate;
#[cfg(feature = "h5ad")]
mod h5ad;
mod labels;
mod methods;
#[cfg(feature = "npy")]
mod npy;
mod options;
mod output;
mod page;
#[cfg(feature = "parquet")]
mod parquet_file;
mod progress;
mod report;
mod simulate;
mod source;
mod spool;
mod table;
mod transport;
mod validate;
mod work;
mod written;

use std::io::Write;
use std::process::ExitCode;

use chreode::FitOptions;
use chreode::exec::threads::Threads;
use chreode::options::{Settings, Target};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::{Failure, Result};

#[derive(Debug, Parser)]
#[command(name = "chreode", version, about)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes: the option `threads` of a fit.
#[derive(Debug)]
struct Common {
    threads: usize,
}

impl Args for Common {
    fn augment_args(command: clap::Command) -> clap::Command {
        let threads = FitOptions::ENTRIES.iter().filter(|entry| entry.name == "threads");
        threads.map(|entry| arguments::flag(entry).global(true)).fold(command, clap::Command::arg)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Common {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut settings = Settings::<FitOptions>::default();
        let text = matches.get_one::<String>("threads").map_or("0", String::as_str);
        let options = settings.set("threads", text).and_then(|()| settings.build());
        Ok(Self { threads: options.map_err(|error| arguments::refusal(&error))?.threads })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show it all on built-in data: generate, fit, evaluate, simulate, report
    Demo(demo::Demo),
    /// Learn the dynamics of a population from time-stamped cells
    Fit(Box<fit::Fit>),
    /// Couple the cells of consecutive times, as a fit does before it learns: which cells become which
    Couple(Box<couple::Couple>),
    /// Cut a fit into tasks, for workers in any number of processes and machines
    Plan(Box<work::Plan>),
    /// Do tasks of a plan that have not been done yet
    Work(work::Work),
    /// Put what came of a plan's tasks together: the same model as by fit
    Finish(work::Finish),
    /// Measure how well a model predicts the snapshots of a data set
    Evaluate(evaluate::Evaluate),
    /// Fit recipes to a part of the cells, and measure how well they predict the others
    Validate(Box<validate::Validate>),
    /// Fit a table of recipes, and measure them as papers do and on what they have not seen
    Benchmark(Box<benchmark::Benchmark>),
    /// Let a population move, grow, divide and die by a model
    Simulate(simulate::Simulate),
    /// Tell what cells become, by labels of later cells
    Fates(fates::Fates),
    /// Draw a page about a model and its cells, on which the population moves
    Report(Box<page::Report>),
    /// Push cells on to what they become, or pull them back to what they came from
    Carry(carry::Carry),
    /// Solve one static transport problem between two clouds of points
    Transport(transport::Transport),
    /// Write one of the built-in data sets
    Generate(generate::Generate),
    /// List the published methods and what they are made of
    Methods(methods::Methods),
    /// List every option of a fit with its type, default, range and meaning
    Options(options::Options),
    /// Tell what there is to compute with, and whether it computes the same
    Doctor(doctor::Doctor),
}

fn main() -> ExitCode {
    let Err(failure) = command().and_then(run) else { return ExitCode::SUCCESS };
    // Nobody can be told that stderr is closed.
    let _ = writeln!(std::io::stderr(), "chreode: {failure}");
    failure.exit_code()
}

/// Parses the arguments; help and version are printed and end the process.
fn command() -> Result<Cli> {
    let matches = with_negative_numbers(Cli::command()).try_get_matches();
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok(cli),
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => Err(Failure::of_arguments(&error)),
    }
}

/// The command of a call that was made before.
fn parse(arguments: &[String]) -> Result<Command> {
    let whole = std::iter::once("chreode").chain(arguments.iter().map(String::as_str));
    let matches = with_negative_numbers(Cli::command()).try_get_matches_from(whole);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    cli.map(|cli| cli.command).map_err(|error| Failure::of_arguments(&error))
}

/// `--delta -1` shall be refused as a bad δ, not as an unknown option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    command.allow_negative_numbers(true).mut_subcommands(with_negative_numbers)
}

fn run(Cli { common, command }: Cli) -> Result<()> {
    Threads::new(common.threads)?.run(|| match command {
        Command::Demo(command) => command.run(),
        Command::Fit(command) => command.run(),
        Command::Couple(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Work(command) => command.run(),
        Command::Finish(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Validate(command) => command.run(),
        Command::Benchmark(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::Fates(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Carry(command) => command.run(),
        Command::Transport(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Methods(command) => command.run(),
        Command::Options(command) => command.run(),
        Command::Doctor(command) => command.run(),
    })
}
