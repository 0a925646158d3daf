import ArgumentParser
import Chain

/// Settings of `--engine mcmc`, with bedpostx's short names.
struct ChainArguments: ParsableArguments {
    static let noKnownNoise =
        """
        --engine mcmc integrates over the noise, as bedpostx does, and takes none as known; leave out --known-noise, \
        or choose --engine prism or smc.
        """

    @Option(help: "mcmc: 1 (one diffusivity) or 2 (gamma-distributed diffusivities) (default: 2).") var model: Int?
    @Option(name: [.customShort("n"), .long], help: "mcmc: fibres a voxel, 1 to 3 (default: 3).") var fibres: Int?
    @Option(name: [.customShort("w"), .long], help: "mcmc: weight of automatic relevance determination (default: 1).")
    var weight: Double?
    @Option(name: [.customShort("b"), .long], help: "mcmc: sweeps before the first draw (default: 1000).") var burnin:
        Int?
    @Option(name: [.customShort("j"), .long], help: "mcmc: sweeps after the burn-in (default: 1250).") var jumps: Int?
    @Option(name: [.customShort("s"), .long], help: "mcmc: a draw every so many sweeps (default: 25).") var every: Int?

    func validate() throws {
        if let model, !(1...2).contains(model) { throw ValidationError("--model must be 1 or 2.") }
        if let fibres, !(1...3).contains(fibres) { throw ValidationError("--fibres must be 1, 2 or 3.") }
        if let weight, !(0...100).contains(weight) { throw ValidationError("--weight must lie between 0 and 100.") }
        if let burnin, !(0...10_000_000).contains(burnin) {
            throw ValidationError("--burnin must lie between 0 and 10000000.")
        }
        if let jumps, !(1...10_000_000).contains(jumps) {
            throw ValidationError("--jumps must lie between 1 and 10000000.")
        }
        if let every, every < 1 { throw ValidationError("--every must be at least 1.") }
        guard (1...10_000).contains(options.drawCount) else {
            throw ValidationError(
                """
                --jumps over --every is the number of draws, which must lie between 1 and 10000; it is \
                \(options.drawCount).
                """
            )
        }
    }

    /// The first of these options that was given, as the user wrote it.
    var given: String? {
        let names: [(String, Bool)] = [
            ("--model", model != nil), ("--fibres", fibres != nil), ("--weight", weight != nil),
            ("--burnin", burnin != nil),
            ("--jumps", jumps != nil), ("--every", every != nil),
        ]
        return names.first { $0.1 }?.0
    }

    var options: ChainOptions {
        var result = ChainOptions()
        result.hasSpread = (model ?? 2) == 2
        if let fibres { result.fibres = fibres }
        if let weight { result.relevanceWeight = weight }
        if let burnin { result.burnIn = burnin }
        if let jumps { result.jumps = jumps }
        if let every { result.every = every }
        return result
    }
}
