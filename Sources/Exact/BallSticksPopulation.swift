import Diffusion
import Foundation
import ModelSpace

/// N particles of one ball-and-sticks structure, tempered from the prior or from a fitted density to the posterior of one voxel.
///
/// Particles x: log d, log(s/d), log snr, log s0, f1…f3 (falling), μ1…μ3, in the places of `BallSticks.Slot`; base measure as in
/// `BallSticks.logPrior`, with density 1 in log s0. Storage is allocated once, for `capacity` particles.
///
/// The reference q₀ is either
///
///     prior(x) · t₄((log s0 − c(d)) / w(d, snr)) / w           the t standing in for the improper prior of log s0, or
///     0.9 · g(x) + 0.1 · (the above)                           g a `FittedDensity`
///
/// so that R = prior × likelihood / q₀ stays bounded wherever the fit may have missed something.
final class BallSticksPopulation: TemperedPopulation {
    typealias Slot = BallSticks.Slot
    static let width = FittedDensity.width
    /// Share of the prior in a fitted reference.
    static let defence = 0.1
    static let scaleFreedom = 4.0

    let family = BallSticks(), acquisition: Acquisition, m: Int, capacity: Int
    private(set) var count = 0, structure = Structure(), sticks = 0, spread = false
    private(set) var hasReference = false
    let y: UnsafeMutablePointer<Float>
    /// N × 16 particles and N × M attenuations, each with a second half that resampling copies into.
    private(set) var x: UnsafeMutablePointer<Double>, otherX: UnsafeMutablePointer<Double>
    private(set) var attenuations: UnsafeMutablePointer<Float>, otherAttenuations: UnsafeMutablePointer<Float>
    /// log L, log q₀ and log R = log prior + log L − log q₀ of each particle.
    let logLikelihood, logReference, logRatio, copied: UnsafeMutablePointer<Double>
    /// Attenuations of the proposal; θ of the proposal.
    let scratch: UnsafeMutablePointer<Float>
    let proposal, theta, room: UnsafeMutablePointer<Double>
    let reference = FittedDensity(), walker = FittedDensity()
    /// Shares of independent proposals accepted at the last temperature: how often to try them at the next.
    var independentRate = 1.0, redrawRate = 1.0
    private(set) var logPrior = 0.0
    private let meanUnweightedB: Double

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
        logLikelihood = doubles(capacity); logReference = doubles(capacity); logRatio = doubles(capacity); copied = doubles(capacity)
        proposal = doubles(Self.width); theta = doubles(Self.width); room = doubles(capacity * FittedDensity.limit)
        meanUnweightedB = acquisition.unweightedIndices.reduce(0) { $0 + acquisition.bValues[$1] } / Double(acquisition.unweightedCount)
    }

    deinit {
        for p in [x, otherX, logLikelihood, logReference, logRatio, copied, proposal, theta, room] { p.deallocate() }
        for p in [y, scratch, attenuations, otherAttenuations] { p.deallocate() }
    }

    /// Sets the problem: N particles of structure z, from the prior or from `fitted`.
    func prepare(_ z: Structure, count: Int, fitted: FittedDensity?) {
        precondition(count >= 8 && count <= capacity)
        self.count = count
        structure = z
        sticks = BallSticks.stickCount(z)
        spread = BallSticks.hasSpread(z)
        hasReference = fitted != nil
        if let fitted { reference.copy(fitted) }
        independentRate = 1
        redrawRate = 1
    }

    func begin(using random: inout RandomSource) -> Double {
        family.drawParameters(structure, acquisition, using: &random, into: theta)
        logPrior = family.logPrior(theta, structure)  // a constant inside the support
        var attempts = 0
        for i in 0..<count {
            let p = x + i * Self.width
            while true {
                attempts += 1
                guard hasReference, random.uniform() >= Self.defence else { drawFromPrior(p, using: &random); break }
                if reference.draw(into: p, using: &random) && supports(p) { break }
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
        density.fit(x, count: count, sticks: sticks, spread: spread, best: best, inflation: inflation, room: room)
    }

    // MARK: densities

    /// Whether x lies in the prior's support.
    func supports(_ x: UnsafePointer<Double>) -> Bool {
        guard x[0] >= BallSticks.logDiffusivity.low, x[0] <= BallSticks.logDiffusivity.high,
            x[2] >= BallSticks.logSNR.low, x[2] <= BallSticks.logSNR.high, abs(x[3]) < 20
        else { return false }
        if spread && !(x[1] >= BallSticks.logSpreadRatio.low && x[1] <= BallSticks.logSpreadRatio.high) { return false }
        var previous = 1.0, total = 0.0
        for k in 0..<sticks {
            let f = x[Slot.fraction + k]
            guard f >= BallSticks.fractionFloor, f <= previous else { return false }
            previous = f
            total += f
        }
        return total <= 1
    }

    /// log L(x), leaving the attenuations in `scratch`.
    func likelihood(_ x: UnsafePointer<Double>) -> Double {
        natural(x)
        family.attenuations(theta, structure, acquisition, into: scratch)
        return family.logLikelihood(y, attenuations: scratch, theta, structure, acquisition)
    }

    /// log L(x) where only s0 and snr differ from what `a` was predicted with.
    func likelihood(_ x: UnsafePointer<Double>, attenuations a: UnsafePointer<Float>) -> Double {
        theta[Slot.snr] = exp(x[2])
        theta[Slot.s0] = exp(x[3])
        return family.logLikelihood(y, attenuations: a, theta, structure, acquisition)
    }

    /// θ of x, in `theta`.
    func natural(_ x: UnsafePointer<Double>) {
        theta[Slot.diffusivity] = exp(x[0])
        theta[Slot.spread] = spread ? exp(x[0] + x[1]) : 0
        theta[Slot.snr] = exp(x[2])
        theta[Slot.s0] = exp(x[3])
        for c in Slot.fraction..<Self.width { theta[c] = x[c] }
    }

    /// log q₀(x).
    func referenceDensity(_ x: UnsafePointer<Double>) -> Double {
        let prior = logPrior + scaleDensity(x)
        guard hasReference else { return prior }
        let a = reference.logDensity(x) + log1p(-Self.defence), b = prior + log(Self.defence)
        let peak = max(a, b)
        return peak + log1p(exp(min(a, b) - peak))
    }

    /// Centre and width of the reference for log s0: about 1, by which y is normalised, as far as noise and weighting of the b≈0 volumes reach.
    private func scaleWindow(_ x: UnsafePointer<Double>) -> (centre: Double, width: Double) {
        let decay = 0.5 * meanUnweightedB * exp(x[0]), noise = 1.5 * exp(-x[2]) / Double(acquisition.unweightedCount).squareRoot()
        return (decay, (noise * noise + decay * decay + 1e-4).squareRoot())
    }

    private static let scaleNormaliser =
        lgamma(0.5 * (scaleFreedom + 1)) - lgamma(0.5 * scaleFreedom) - 0.5 * log(scaleFreedom * Double.pi)

    private func scaleDensity(_ x: UnsafePointer<Double>) -> Double {
        let window = scaleWindow(x), t = (x[3] - window.centre) / window.width
        return Self.scaleNormaliser - log(window.width) - 0.5 * (Self.scaleFreedom + 1) * log1p(t * t / Self.scaleFreedom)
    }

    /// A particle from the prior, log s0 from its window.
    func drawFromPrior(_ x: UnsafeMutablePointer<Double>, using random: inout RandomSource) {
        family.drawParameters(structure, acquisition, using: &random, into: theta)
        x.update(from: theta, count: Self.width)
        x[0] = log(theta[Slot.diffusivity])
        x[1] = spread ? log(theta[Slot.spread] / theta[Slot.diffusivity]) : 0
        x[2] = log(theta[Slot.snr])
        let window = scaleWindow(x)
        let chi = 2 * (random.exponential() + random.exponential())
        x[3] = window.centre + window.width * random.normal() * (Self.scaleFreedom / chi).squareRoot()
    }
}
