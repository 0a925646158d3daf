import ArgumentParser
import Parallel

/// How many threads a command works with.
struct ThreadOptions: ParsableArguments {
    @Option(
        help:
            """
            Worker threads (default: the processors that this process may use, by its affinity, its control group's \
            quota and what Slurm allots).
            """)
    var nthreads: Int = AllottedProcessors.current.count

    func validate() throws {
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
    }
}

/// How much a command says on standard error.
struct TalkOptions: ParsableArguments {
    @Flag(help: "No progress on stderr; warnings remain.") var quiet = false
    @OptionGroup var debugging: DebugOptions
}

/// Read by the program itself, wherever it stands (`Debug`).
struct DebugOptions: ParsableArguments {
    @Flag(help: "Tell on stderr what was found, chosen and done, and of an error where it comes from.") var debug =
        false
}

/// How a command runs that reads a finished fit again.
struct ReadingOptions: ParsableArguments {
    @OptionGroup var threads: ThreadOptions
    @OptionGroup var talk: TalkOptions
}
