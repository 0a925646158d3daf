import Foundation
import ModelSpace

/// Ball and sticks: an isotropic compartment and 0–3 fibres, optionally with gamma-distributed diffusivity, Gaussian or
/// Rician noise.
///
///     ball      A(b)    = exp(−b d)                       with spread: (1 + b s²/d)^(−d²/s²)
///     stick k   A(b,g)  = exp(−b d (g·μ_k)²)              with spread: b → b (g·μ_k)² in the same formula
///     signal    y/S0    = f_0 A_ball + Σ f_k A_stick,k    Σ f = 1
///
/// Components, in decision order: stick1, stick2, stick3 (present ones are a prefix), spread, rician: 4 × 2 × 2 = 16
/// structures; k(z) = 3 a stick, 1 for spread.
///
/// θ (P = 16): d, s (0 without spread), snr, s0, f1, f2, f3, μ1 (x y z), μ2, μ3. Fractions fall; f0 = 1 − Σf. `s0` is
/// the true S0 in units of the mean of the noisy b≈0 volumes, by which the loader divides; the noise's standard
/// deviation is s0 / snr.
///
/// Priors: f uniform on {f_k ≥ 0.05 for present sticks, f_0 ≥ 0, Σ = 1}, then sorted; μ uniform on the sphere; log d
/// uniform on [log 1e-4, log 5e-3]; log(s/d) on [log 0.1, log 1]; log snr on [log 3, log 150]; s0 follows from the
/// noise (see `simulate`).
///
/// - Units: d and s in mm²/s.
/// - Source: Behrens et al., MRM 50 (2003) 1077; Jbabdi et al., MRM 68 (2012) 1846 (gamma-distributed diffusivity).
public struct BallSticks: ListedFamily {
    public typealias Design = Acquisition
    public typealias Frame = CanonicalFrame

    public init() {}

    // Nothing is stored: inner loops make a family as they need one.
    public var name: String { Self.family.name }
    public var componentNames: [String] { Self.family.bitNames }
    public var structureSpace: StructureSpace { Self.space }
    public var parameterNames: [String] { Self.layout.names }
    public var tokenCount: Int { 4 }
    public var coordinateCount: Int { 11 }
    public var featureCount: Int { Acquisition.featureCount }
    public var summaryCount: Int { Acquisition.summaryCount }
    /// Smallest fraction of a present stick.
    public static let fractionFloor = 0.05
    /// Logarithms of the priors' bounds: diffusivity (mm²/s), spread over diffusivity, signal-to-noise ratio.
    public static let logDiffusivity = (low: log(1e-4), high: log(5e-3))
    public static let logSpreadRatio = (low: log(0.1), high: log(1.0))
    public static let logSNR = (low: log(3.0), high: log(150.0))

    /// Offsets into θ.
    public enum Slot {
        public static let diffusivity = 0, spread = 1, snr = 2, s0 = 3, fraction = 4, axis = 7, count = 16
    }

    static let spreadBit = 3, ricianBit = 4

    /// The family as data, from which its structures, names and layout of θ follow.
    public static let family: FamilyDescription = {
        func logUniform(_ range: (low: Double, high: Double)) -> Parameter.Chart {
            .logUniform(low: exp(range.low), high: exp(range.high))
        }
        do {
            return try FamilyDescription(
                "ball-sticks", shared: [Parameter("d", "mm^2/s", logUniform(logDiffusivity))],
                groups: [
                    ComponentGroup("ball", .always, takesRest: true),
                    ComponentGroup(
                        "stick", .upTo(3),
                        [Parameter("f", "", .weight(floor: fractionFloor)), Parameter("mu", "", .axis)], fibreAxis: "mu"
                    ),
                    ComponentGroup(
                        "spread", .optional, [Parameter("s", "mm^2/s", logUniform(logSpreadRatio), relativeTo: "d")]),
                ],
                noise: ComponentGroup(
                    "noise", .oneOf(["gaussian", "rician"]),
                    [Parameter("snr", "", logUniform(logSNR)), Parameter("s0", "", .scale)]))
        } catch { preconditionFailure("\(error)") }
    }()
    static let layout = ThetaLayout(family)
    static let space = StructureRule(family).space()!

    /// Number of sticks of a structure, 0–3.
    @inline(__always)
    public static func stickCount(_ z: Structure) -> Int { (z.bits & 7).nonzeroBitCount }
    @inline(__always)
    public static func hasSpread(_ z: Structure) -> Bool { z[spreadBit] }
    @inline(__always)
    public static func isRician(_ z: Structure) -> Bool { z[ricianBit] }

    public func measurementCount(_ design: Acquisition) -> Int { design.count }

    /// Features and summaries of a voxel, the same for every family (`Acquisition.observe`).
    public func observe(
        _ y: UnsafePointer<Float>, _ design: Acquisition, features: UnsafeMutablePointer<Float>,
        summary: UnsafeMutablePointer<Float>
    ) -> CanonicalFrame {
        design.observe(y, features: features, summary: summary)
    }

    public func coordinateMask(_ z: Structure) -> [Float] {
        var mask = [Float](repeating: 0, count: tokenCount * coordinateCount)
        mask[0] = 1
        mask[1] = Self.hasSpread(z) ? 1 : 0
        mask[2] = 1
        mask[3] = 1
        for k in 0..<Self.stickCount(z) {
            for column in 4..<11 { mask[(k + 1) * coordinateCount + column] = 1 }
        }
        return mask
    }

    /// Draws θ from the prior of structure z, with s0 = 1 (see `simulate`).
    public func drawParameters(
        _ z: Structure, _ design: Acquisition, using random: inout RandomSource,
        into theta: UnsafeMutablePointer<Double>
    ) {
        theta.update(repeating: 0, count: Slot.count)
        let d = exp(random.uniform(Self.logDiffusivity.low, Self.logDiffusivity.high))
        theta[Slot.diffusivity] = d
        if Self.hasSpread(z) {
            theta[Slot.spread] = d * exp(random.uniform(Self.logSpreadRatio.low, Self.logSpreadRatio.high))
        }
        theta[Slot.snr] = exp(random.uniform(Self.logSNR.low, Self.logSNR.high))
        theta[Slot.s0] = 1
        let n = Self.stickCount(z)
        guard n > 0 else { return }
        let fractions = theta + Slot.fraction
        var total = random.exponential()
        for k in 0..<n { fractions[k] = random.exponential(); total += fractions[k] }
        let free = 1 - Double(n) * Self.fractionFloor
        for k in 0..<n {
            fractions[k] = Self.fractionFloor + free * fractions[k] / total
            let z = random.uniform(-1, 1), phi = random.uniform(0, 2 * Double.pi), r = (1 - z * z).squareRoot()
            let axis = theta + Slot.axis + 3 * k
            axis[0] = r * cos(phi); axis[1] = r * sin(phi); axis[2] = z
        }
        // The directions are exchangeable, so the fractions alone may be sorted.
        for i in 1..<max(n, 2) where n > 1 {
            var k = i
            while k > 0 && fractions[k] > fractions[k - 1] { swap(&fractions[k], &fractions[k - 1]); k -= 1 }
        }
    }

    /// log p(θ | z) in the coordinates (log d, log(s/d), log snr, sorted fractions, directions by area); −∞ outside the
    /// support.
    ///
    /// s0 is left out: its prior is flat in log s0. So is snr where the noise is known, which gives it from s0: its
    /// bounds have no say then, as σ is a measurement of this voxel and they are but a guess at any voxel's.
    public func logPrior(_ theta: UnsafePointer<Double>, _ z: Structure, isNoiseKnown: Bool = false) -> Double {
        func logUniform(_ x: Double, _ range: (low: Double, high: Double)) -> Double {
            x >= range.low && x <= range.high ? -log(range.high - range.low) : -.infinity
        }
        let d = theta[Slot.diffusivity], n = Self.stickCount(z)
        guard d > 0, theta[Slot.snr] > 0, theta[Slot.s0] > 0 else { return -.infinity }
        var total =
            logUniform(log(d), Self.logDiffusivity) + (isNoiseKnown ? 0 : logUniform(log(theta[Slot.snr]), Self.logSNR))
        if Self.hasSpread(z) {
            guard theta[Slot.spread] > 0 else { return -.infinity }
            total += logUniform(log(theta[Slot.spread] / d), Self.logSpreadRatio)
        }
        var sum = 0.0, previous = Double.infinity
        for k in 0..<n {
            let f = theta[Slot.fraction + k]
            guard f >= Self.fractionFloor, f <= previous else { return -.infinity }
            previous = f
            sum += f
        }
        guard sum <= 1 else { return -.infinity }
        // Density on the sorted simplex: n!² / (1 − 0.05 n)ⁿ, sphere: 1/4π each.
        let factorial = [1.0, 1, 2, 6][n]
        return total + 2 * log(factorial) - Double(n) * (log(1 - Self.fractionFloor * Double(n)) + log(4 * Double.pi))
    }
}
