import ModelSpace

/// What the reference sampler adds to a search, and says of it.
extension FormulaSearch {
    /// Chains whose visits are pooled: where one of them stays for long in one way of spanning the curve, others stay
    /// in others.
    private static let chains = 4
    /// Structures that are climbed in, at most, of those that the chains met.
    private static let mostMet = 600
    /// Nats by which a chain that has not come near the best is below what is usual about it.
    private static let far = 10.0
    /// Share of the visits below which so little is listed that terms rest on the visits themselves.
    public static let scarce = 0.2

    /// Adds what chains of the sampler meet in one half of the sweeps, each cooling from no term for a half of its
    /// share: a formula that no single step leads to from those found so far may be a few steps away from none. Where
    /// that way leads to a better one, its neighbours are looked at too. Then the same chains say, in the other half,
    /// how much is listed; where that is little, they go on for as many sweeps again.
    func complete(_ isStopped: () -> Bool) {
        let before = bestScore, all = options.sweeps / 2
        func share(_ i: Int, of sweeps: Int) -> Int { sweeps * (i + 1) / Self.chains - sweeps * i / Self.chains }
        let chains = (0..<Self.chains).map {
            CollapsedSampler(family, series, lambda: lambda, seed: options.seed, chain: UInt64($0))
        }
        var met = SampledPosterior()
        for (i, chain) in chains.enumerated() {
            let sweeps = share(i, of: all)
            chain.cool(sweeps: sweeps / 2, isStopped: isStopped)
            met.add(chain.run(sweeps: sweeps - sweeps / 2, discard: 0, isStopped: isStopped))
        }
        add(met, isStopped)
        if bestScore > before { expandBest(options.expansions / 4, isStopped) }
        guard !isStopped() else { return }
        // What narrow way led there a chain need not find: one that is far below goes on from the best.
        let best = ranked[0], mode = best.modes.max { $0.logDensity < $1.logDensity }!
        // A draw of d numbers is d/2 nats below their mode.
        let usual = mode.logDensity - lambda * Double(best.parameters) - 0.5 * Double(mode.point.count)
        var check = SampledPosterior()
        for (i, chain) in chains.enumerated() {
            if family.noise(best.structure) != .heavy, let own = chain.top, own < usual - Self.far {
                chain.start(best.structure, at: mode.point)
                // Beside the best its neighbours are listed, more than elsewhere.
                _ = chain.run(sweeps: 0, discard: share(i, of: all), isStopped: isStopped)
            }
        }
        func visit() {
            for (i, chain) in chains.enumerated() {
                check.add(chain.run(sweeps: share(i, of: options.sweeps - all), discard: 0, isStopped: isStopped))
            }
        }
        visit()
        let listed = ranked.reduce(0) { $0 + (check.visits[$1.structure] ?? 0) }
        if Double(listed) < Self.scarce * Double(check.count) { visit() }
        if check.count > 0 { self.check = check }
    }

    /// Adds what a run of the sampler met, the most visited first.
    private func add(_ met: SampledPosterior, _ isStopped: () -> Bool) {
        for (z, _) in met.visits.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(Self.mostMet) {
            if isStopped() { return }
            offer(z, met.points[z]!)
        }
    }
}
