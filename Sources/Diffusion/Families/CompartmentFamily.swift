import Foundation
import ModelSpace

/// A family put together from compartments by a recipe: nothing else is to be written for it.
///
///     signal    y/S0 = Σ_k f_k A_k(b, g; shape)      Σ f = 1
///
/// θ holds what `layout` says, for every structure in the same places. `s0` is the true S0 in units of the mean of the
/// noisy b≈0 volumes, by which the loader divides; the noise's standard deviation is s0 / snr.
///
/// Priors: fractions uniform on the simplex above their floors, members of a group then sorted by falling weight;
/// everything else uniform in its chart.
public struct CompartmentFamily: ModelFamily, LinearFamily {
    public typealias Design = Acquisition
    public typealias Frame = CanonicalFrame

    public let composition: FamilyComposition
    /// What its users call its numbers and structures.
    public let words: FamilyWords
    public let layout: ThetaLayout
    public let rule: StructureRule
    let columns: TokenColumns
    /// What has been worked out of structures so far.
    private let known: KnownStructures
    public let needsTiming: Bool
    let rest = UntimedFamily()
    /// Of at most `mostListed` structures all of them; more are never listed.
    public let structureList: StructureSpace?
    public let automaton: StructureAutomaton

    /// - Parameter mostListed: of more structures than so many none is listed.
    public init(
        _ composition: FamilyComposition, words: FamilyWords = .none, mostListed: Int = CompartmentFamily.mostListed
    ) {
        self.composition = composition
        self.words = words
        needsTiming = !composition.timedComponents.isEmpty
        layout = ThetaLayout(composition.description)
        rule = StructureRule(composition.description)
        columns = TokenColumns(composition.description, layout)
        known = KnownStructures()
        structureList = rule.space(limit: mostListed)
        automaton = structureList?.automaton ?? rule.automaton()
    }

    /// Structures that are listed.
    public static let mostListed = 4096

    /// Whether a network can be trained for it; nil when it can, else the end of a sentence.
    public var networkFault: String? {
        if description.bitCount == 0 {
            return "has one structure only, so that there is nothing for a network to choose; fit it without one"
        }
        if description.bitCount > 32 || tokenCount > 64 || coordinateCount > 256 {
            return
                """
                has \(description.bitCount) bits, \(tokenCount) tokens and \(coordinateCount) coordinates a token, of \
                which a network can have 32, 64 and 256
                """
        }
        return nil
    }

    public var description: FamilyDescription { composition.description }
    public var name: String { description.name }
    public var componentNames: [String] { description.bitNames }
    public var parameterNames: [String] { layout.names }
    public var tokenCount: Int { columns.tokens }
    public var coordinateCount: Int { columns.columns }
    public var featureCount: Int { Acquisition.featureCount + (needsTiming ? TimingFeatures.count : 0) }
    public var summaryCount: Int { Acquisition.summaryCount }
    public func measurementCount(_ design: Acquisition) -> Int { design.count }

    /// Draws z ~ p(z | λ).
    public func drawStructure(lambda: Double, using random: inout RandomSource) -> Structure {
        structureList.map { $0.structures[$0.draw(lambda: lambda, using: &random)] }
            ?? rule.draw(lambda: lambda, using: &random)
    }

    /// Coordinates that a structure has, on average over those listed, or over as many drawn at λ = 0.
    public var meanCoordinateCount: Double {
        var random = RandomSource(seed: 1)
        let some =
            structureList?.structures
            ?? (0..<Self.mostListed).map { _ in rule.draw(lambda: 0, using: &random) }
        return Double(some.reduce(0) { $0 + coordinateMask($1).reduce(0, +) }) / Double(some.count)
    }

    /// What a structure needs to have worked out once.
    final class Known: Sendable {
        let plan: SignalPlan, isRician: Bool, coordinates: StructureCoordinates
        init(plan: SignalPlan, isRician: Bool, coordinates: StructureCoordinates) {
            (self.plan, self.isRician, self.coordinates) = (plan, isRician, coordinates)
        }
    }

    private final class KnownStructures: @unchecked Sendable {
        private let lock = NSLock()
        private var list: [Structure: Known] = [:], moments: [[Int]: [(mean: Double, sd: Double)]] = [:]

        func find(_ z: Structure, _ make: (inout [[Int]: [(mean: Double, sd: Double)]]) -> Known) -> Known {
            lock.lock()
            defer { lock.unlock() }
            if let found = list[z] { return found }
            let new = make(&moments)
            // Of millions of structures a fit meets ever new ones.
            if list.count >= 4 * CompartmentFamily.mostListed { list.removeAll() }
            list[z] = new
            return new
        }
    }

    func known(_ z: Structure) -> Known {
        known.find(z) { moments in
            let plan = SignalPlan(composition, rule, layout, z)
            return Known(
                plan: plan, isRician: rule.choice(of: description.noise.name, in: z).option == "rician",
                coordinates: StructureCoordinates(columns, plan.layout, description, layout, &moments))
        }
    }

    public func noise(_ z: Structure) -> NoiseLikelihood { known(z).isRician ? .rician : .gaussian }
    public func signalLayout(_ z: Structure) -> SignalLayout { known(z).plan.layout }
    public func diffusionKernels(_ design: Acquisition) -> any DiffusionKernels { CompartmentKernels(self, design) }

    /// Draws θ from the prior of structure z, with s0 = 1 (see `simulate`).
    public func drawParameters(
        _ z: Structure, _ design: Acquisition, using random: inout RandomSource,
        into theta: UnsafeMutablePointer<Double>
    ) {
        let signal = known(z).plan.layout
        withUnsafeTemporaryAllocation(of: Double.self, capacity: signal.count) { buffer in
            let x = buffer.baseAddress!
            signal.drawPrior(using: &random, into: x)
            signal.unpack(x, into: theta)
        }
    }

    /// log p(θ | z) by free fractions, scalars' coordinates, area of axes on the half-sphere, angles of rotations and
    /// log snr; −∞ outside the support. s0 is left out: its prior is flat in log s0.
    public func logPrior(_ theta: UnsafePointer<Double>, _ z: Structure) -> Double {
        let signal = known(z).plan.layout
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: signal.count) { buffer in
            let x = buffer.baseAddress!
            signal.pack(theta, into: x)
            guard signal.supports(x), x[SignalLayout.scale].isFinite else { return -.infinity }
            for members in signal.exchangeable {
                for (a, b) in zip(members, members.dropFirst())
                where x[SignalLayout.firstWeight + a.component] < x[SignalLayout.firstWeight + b.component] {
                    return -.infinity
                }
            }
            return signal.logPriorDensity
        }
    }

    /// Predicted attenuations, signal over S0, of all M volumes.
    /// - Parameter out: room for M floats.
    /// - Accuracy: as of the compartments' kernels, ≤ 2e-6 (Bingham's 1e-5).
    public func attenuations(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, into out: UnsafeMutablePointer<Float>
    ) {
        let plan = known(z).plan, layout = plan.layout, m = design.count, series = MeasurementSeries(design.tables)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: layout.scalars.count + plan.width) { numbers in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: m + 16) { one in
                let values = numbers.baseAddress!, p = values + layout.scalars.count, e = one.baseAddress!
                plan.values(theta: theta, into: values)
                out.update(repeating: 0, count: m)
                var rest = 1.0
                for component in layout.components { rest -= component.weight.map { theta[$0] } ?? 0 }
                for k in layout.components.indices {
                    plan.numbers(k, theta: theta, values, into: p)
                    let spread = plan.components[k].spread?.value(UnsafePointer(values)) ?? 0
                    plan.components[k].attenuations(p, series, spread: spread, into: e)
                    let f = Float(layout.components[k].weight.map { theta[$0] } ?? rest)
                    for i in 0..<m { out[i] += f * e[i] }
                }
            }
        }
    }

    /// The definition: one predicted attenuation, by the compartments' own.
    public func attenuation(
        _ theta: UnsafePointer<Double>, _ z: Structure, b: Double, g: SIMD3<Double>, timing: PulseTiming? = nil
    ) -> Double {
        let plan = known(z).plan, layout = plan.layout
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: layout.scalars.count + plan.width) { numbers in
            let values = numbers.baseAddress!, p = values + layout.scalars.count
            plan.values(theta: theta, into: values)
            var total = 0.0, rest = 1.0
            for component in layout.components { rest -= component.weight.map { theta[$0] } ?? 0 }
            for (k, component) in layout.components.enumerated() {
                plan.numbers(k, theta: theta, values, into: p)
                var a = plan.components[k].compartment.attenuation(
                    p,
                    DiffusionMeasurement(b: b, g: g, smallDelta: timing?.duration, bigDelta: timing?.separation))
                if let rho = plan.components[k].spread?.value(UnsafePointer(values)) {
                    a = exp(-log1p(-rho * rho * log(a)) / (rho * rho))
                }
                total += (component.weight.map { theta[$0] } ?? rest) * a
            }
            return total
        }
    }

    /// Mean predicted attenuation over the b≈0 volumes: 1 when all of them have b = 0.
    func unweightedAttenuation(_ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition) -> Double {
        let t = design.tables
        guard t.unweightedHaveB else { return 1 }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: t.count) { e in
            attenuations(theta, z, design, into: e.baseAddress!)
            var total = 0.0
            for k in 0..<t.unweightedCount { total += Double(e[Int(t.unweighted[k])]) }
            return total / Double(t.unweightedCount)
        }
    }

    /// Draws y as the loader delivers it (`Acquisition.addNoise`), and writes the matching s0 into θ, whatever was
    /// there.
    public func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: Acquisition, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        let slot = noiseSlots
        theta[slot.s0] = design.addNoise(snr: theta[slot.snr], noise(z), using: &random, to: y) {
            attenuations(theta, z, design, into: $0)
        }
    }

    /// log p(y | θ, z), exact, over all M volumes (`Acquisition.logLikelihood`). Dispersed compartments are integrated
    /// over directions: some 0.1 ms each and measurement.
    public func logLikelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition
    ) -> Double {
        let slot = noiseSlots
        return design.logLikelihood(y, s0: theta[slot.s0], snr: theta[slot.snr], noise(z)) {
            attenuation(theta, z, b: design.bValues[$0], g: design.directions[$0], timing: design.timing?[$0])
        }
    }

    /// Features and summaries of a voxel, the same for every family (`Acquisition.observe`), with those of timing for
    /// one that depends on it (`Acquisition.observeTimed`).
    public func observe(
        _ y: UnsafePointer<Float>, _ design: Acquisition, features: UnsafeMutablePointer<Float>,
        summary: UnsafeMutablePointer<Float>
    ) -> CanonicalFrame {
        needsTiming
            ? design.observeTimed(y, features: features, summary: summary)
            : design.observe(y, features: features, summary: summary)
    }

    /// Places in θ of the signal-to-noise ratio and s0.
    var noiseSlots: (snr: Int, s0: Int) { (columns.snr, columns.s0) }
}
