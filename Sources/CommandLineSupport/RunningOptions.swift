import ArgumentParser
import Parallel

/// How many threads a command works with.
package struct ThreadOptions: ParsableArguments {
    @Option(
        help:
            """
            Worker threads (default: the processors that this process may use, by its affinity, its control group's \
            quota and what Slurm allots).
            """)
    package var nthreads: Int = AllottedProcessors.current.count

    package init() {}

    package func validate() throws {
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
    }
}

/// How much a command says on standard error.
package struct TalkOptions: ParsableArguments {
    @Flag(help: "No progress on stderr; warnings remain.") package var quiet = false
    @OptionGroup package var debugging: DebugOptions

    package init() {}
}

/// Read by the program itself, wherever it stands (`Debug`).
package struct DebugOptions: ParsableArguments {
    @Flag(help: "Tell on stderr what was found, chosen and done, and of an error where it comes from.")
    package var debug = false

    package init() {}
}

/// How a command runs that reads a finished fit again.
package struct ReadingOptions: ParsableArguments {
    @OptionGroup package var threads: ThreadOptions
    @OptionGroup package var talk: TalkOptions

    package init() {}
}
