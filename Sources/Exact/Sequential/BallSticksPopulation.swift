import Diffusion
import Foundation
import ModelSpace

/// N particles of one ball-and-sticks structure, tempered from the prior or from a fitted density to the posterior of
/// one voxel.
///
/// Particles x: log d, log(s/d), log snr, log s0, f1…f3 (falling), μ1…μ3, in the places of `BallSticks.Slot`; base
/// measure as in `BallSticks.logPrior`, with density 1 in log s0. Storage is allocated once, for `capacity` particles.
///
/// The reference q₀ is either
///
///     prior(x) · t₄((log s0 − c(d)) / w(d, snr)) / w           the t standing in for the improper prior of log s0, or
///     0.1 · (the above) + 0.2 · births(x) + Σ w_j g_j(x)       g_j fitted to a pilot's particles early on its way and
///     at its end
///
/// where `births` adds a stick of any direction, most likely a weak one, to densities fitted for one stick fewer: the
/// mode that pilots miss most; so that R = prior × likelihood / q₀ stays bounded wherever the last fit may have missed
/// something.
///
/// Where σ is known every particle's log snr is log s0 − log σ, whatever the prior's bounds of it.
final class BallSticksPopulation: TemperedPopulation {
    typealias Slot = BallSticks.Slot
    static let width = FittedDensity.width
    /// Share of the prior in a fitted reference.
    static let defence = 0.1
    static let scaleFreedom = 4.0

    let family = BallSticks(), acquisition: Acquisition, m: Int, capacity: Int
    private(set) var count = 0, structure = Structure(), sticks = 0, spread = false
    private(set) var hasReference = false
    /// The noise's standard deviation in units of y where it is known; set it before `prepare`.
    var sigma: Double? { didSet { logSigma = sigma.map { log($0) } } }
    private(set) var logSigma: Double?
    let y: UnsafeMutablePointer<Float>
    /// N × 16 particles and N × M attenuations, each with a second half that resampling copies into.
    private(set) var x: UnsafeMutablePointer<Double>, otherX: UnsafeMutablePointer<Double>
    private(set) var attenuations: UnsafeMutablePointer<Float>, otherAttenuations: UnsafeMutablePointer<Float>
    /// log L, log q₀ and log R = log prior + log L − log q₀ of each particle.
    let logLikelihood, logReference, logRatio, copied: UnsafeMutablePointer<Double>
    /// Attenuations of the proposal; θ of the proposal.
    let scratch: UnsafeMutablePointer<Float>
    let proposal, theta, fewer, room: UnsafeMutablePointer<Double>
    private(set) var reference: [FittedDensity] = []
    /// Share in q₀ of the density fitted early, the first of several; the clusters' share the rest by their sizes.
    static let earlyShare = 0.2
    private(set) var shares: [Double] = []
    /// Densities of one stick fewer, and their shares.
    private(set) var births: [FittedDensity] = []
    private(set) var birthShares: [Double] = []
    static let birthShare = 0.2
    let walker = FittedDensity()
    /// What `walker` was when β first came to `earlyBeta`.
    private(set) var early: FittedDensity?
    /// θ of some particles at that β.
    private(set) var earlyParticles: [[Double]] = []
    private static let earlyCount = 24
    static let earlyBeta = 0.1
    /// Shares of independent proposals accepted at the last temperature: how often to try them at the next.
    var independentRate = 1.0, redrawRate = 1.0
    private(set) var logPrior = 0.0
    let meanUnweightedB: Double

    init(acquisition: Acquisition, capacity: Int) {
        self.acquisition = acquisition
        self.capacity = capacity
        m = acquisition.count
        func doubles(_ n: Int) -> UnsafeMutablePointer<Double> {
            let p = UnsafeMutablePointer<Double>.allocate(capacity: n)
            p.initialize(repeating: 0, count: n)
            return p
        }
        func floats(_ n: Int) -> UnsafeMutablePointer<Float> {
            let p = UnsafeMutablePointer<Float>.allocate(capacity: n)
            p.initialize(repeating: 0, count: n)
            return p
        }
        y = floats(m); scratch = floats(m)
        x = doubles(capacity * Self.width); otherX = doubles(capacity * Self.width)
        attenuations = floats(capacity * m); otherAttenuations = floats(capacity * m)
        logLikelihood = doubles(capacity); logReference = doubles(capacity); logRatio = doubles(capacity);
        copied = doubles(capacity)
        proposal = doubles(Self.width); theta = doubles(Self.width); fewer = doubles(Self.width);
        room = doubles(capacity * FittedDensity.limit)
        meanUnweightedB =
            acquisition.unweightedIndices.reduce(0) { $0 + acquisition.bValues[$1] }
            / Double(acquisition.unweightedCount)
    }

    deinit {
        for p in [x, otherX, logLikelihood, logReference, logRatio, copied, proposal, theta, fewer, room] {
            p.deallocate()
        }
        for p in [y, scratch, attenuations, otherAttenuations] { p.deallocate() }
    }

    /// Sets the problem: N particles of structure z, from the prior or from `fitted`.
    func prepare(_ z: Structure, count: Int, fitted: [FittedDensity], fewer: [FittedDensity] = []) {
        precondition(count >= 8 && count <= capacity)
        self.count = count
        structure = z
        sticks = BallSticks.stickCount(z)
        spread = BallSticks.hasSpread(z)
        hasReference = !fitted.isEmpty
        reference = fitted
        births = fewer
        let defended = Self.defence + (births.isEmpty ? 0 : Self.birthShare),
            total = births.reduce(0) { $0 + $1.weight }
        shares = fitted.map { log((1 - defended) * $0.weight) }
        birthShares = births.map { log(Self.birthShare * $0.weight / total) }
        early = nil
        earlyParticles = []
        independentRate = 1
        redrawRate = 1
    }

    func begin(using random: inout RandomSource) -> Double {
        family.drawParameters(structure, acquisition, using: &random, into: theta)
        logPrior = family.logPrior(theta, structure, isNoiseKnown: sigma != nil)  // a constant inside the support
        var attempts = 0
        for i in 0..<count {
            let p = x + i * Self.width
            while true {
                attempts += 1
                guard hasReference, random.uniform() >= Self.defence else { drawFromPrior(p, using: &random); break }
                if drawFitted(p, using: &random) && supports(p) { break }
            }
            logLikelihood[i] = likelihood(p)
            (attenuations + i * m).update(from: scratch, count: m)
            logReference[i] = referenceDensity(p)
            logRatio[i] = logPrior + logLikelihood[i] - logReference[i]
        }
        // The last attempt always succeeds; leaving it out makes the share unbiased.
        return attempts == count ? 0 : log(Double(count - 1) / Double(attempts - 1))
    }

    func resample(_ ancestors: UnsafePointer<Int>) {
        for i in 0..<count {
            let a = ancestors[i]
            (otherX + i * Self.width).update(from: x + a * Self.width, count: Self.width)
            (otherAttenuations + i * m).update(from: attenuations + a * m, count: m)
        }
        swap(&x, &otherX)
        swap(&attenuations, &otherAttenuations)
        for values in [logLikelihood, logReference, logRatio] {
            for i in 0..<count { copied[i] = values[ancestors[i]] }
            values.update(from: copied, count: count)
        }
    }

    /// Fits a density to the particles as they stand.
    func fit(_ density: FittedDensity, inflation: Double) {
        var best = 0
        for i in 1..<count where logLikelihood[i] > logLikelihood[best] { best = i }
        density.fit(
            x, count: count, sticks: sticks, spread: spread, logSigma: logSigma, best: best, inflation: inflation,
            room: room)
    }

    /// Remembers the walker of an early temperature.
    func keepEarly(_ beta: Double) {
        guard early == nil, beta >= Self.earlyBeta, !hasReference else { return }
        early = FittedDensity()
        early!.copy(walker)
        earlyParticles = some(Self.earlyCount)
    }

    /// Lets every particle stand for several, up to `n`, which further moves then tell apart.
    func expand(to n: Int) {
        precondition(n <= capacity)
        let old = count
        guard n > old else { return }
        count = n
        resample((0..<n).map { $0 % old })
    }
}
