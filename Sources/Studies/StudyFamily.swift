import Diffusion
import Foundation
import Inference
import ModelSpace
import Synchronization

/// A family as studies ask about it: what each of its structures has.
///
/// Shapes: P numbers of θ, L structures of a list.
struct StudyFamily: Sendable {
    let family: any DiffusionFamily
    let theta: ThetaLayout
    /// How archives see its draws.
    let draws: DrawLayout
    /// All structures of a family that lists them.
    let structures: [Structure]?
    /// The most fibres of any structure.
    let mostFibres: Int
    private let known = KnownStructures()
    /// Places in θ of s0 and of the signal-to-noise ratio.
    let s0: Int, snr: Int
    /// Bits of the noise; and those of components, where maps show these.
    let noises: [Bit], components: [Bit]

    /// Components of which a structure may have several, where there is more than one kind of these: of one kind they
    /// are the number of fibres.
    let kinds: [Kind]

    /// Components of one kind.
    struct Kind: Sendable {
        var name: String, bits: [Bit]
        func count(_ z: Structure) -> Int { bits.count { $0.isThere(z) } }
    }

    /// A bit of a structure.
    struct Bit: Sendable {
        var name: String, place: Int
        func isThere(_ z: Structure) -> Bool { z[place] }
    }

    /// What a structure has: fibres, of which outputs draw three but here all count, free parameters, and which of the
    /// P numbers.
    struct Known: Sendable { var fibreCount: Int, parameterCount: Int, presence: [Bool] }

    private final class KnownStructures: Sendable {
        private let list = Mutex<[Structure: Known]>([:])

        func find(_ z: Structure, _ make: () -> Known) -> Known {
            if let found = list.withLock({ $0[z] }) { return found }
            let new = make()
            list.withLock { $0[z] = new }
            return new
        }
    }

    private func known(_ z: Structure) -> Known {
        known.find(z) {
            var has = [Bool](repeating: false, count: theta.count)
            for place in draws.rule.places(of: z, in: theta) { has[place] = true }
            return Known(
                fibreCount: draws.rule.fibreCount(z), parameterCount: draws.rule.parameterCount(z), presence: has)
        }
    }

    func fibreCount(_ z: Structure) -> Int { known(z).fibreCount }
    func parameterCount(_ z: Structure) -> Int { known(z).parameterCount }
    func presence(_ z: Structure) -> [Bool] { known(z).presence }
    func name(_ z: Structure) -> String { draws.rule.name(z) }

    init(_ family: any DiffusionFamily) {
        self.family = family
        let description = family.description, layout = ThetaLayout(description)
        structures = family.structureList?.structures
        theta = layout
        // A family that there is has passed its checks.
        do { draws = try DrawLayout(description) } catch { preconditionFailure("\(error)") }
        let rule = draws.rule
        mostFibres =
            structures.map { $0.map(rule.fibreCount).max() ?? 0 }
            ?? description.groups.reduce(0) { $0 + ($1.fibreAxis == nil ? 0 : $1.most) }
        let noise = layout.noise(description)
        (s0, snr) = (noise.scale!, noise.level!)
        func bits(_ names: [String]) -> [Bit] {
            names.map { Bit(name: $0, place: description.bitNames.firstIndex(of: $0)!) }
        }
        noises = bits(description.noise.bitNames)
        components = bits(draws.quantities.components)
        let several = description.groups.filter { $0.most > 1 }.map { Kind(name: $0.name, bits: bits($0.bitNames)) }
        kinds = several.count > 1 ? several : []
    }

    var description: FamilyDescription { family.description }
    /// P.
    var count: Int { theta.count }
    /// The name of a parameter of one member: d, f1, mu2.
    func name(_ entry: ThetaLayout.Entry) -> String {
        let first = theta.names[entry.offset]
        return entry.parameter.width == 1 ? first : String(first.dropLast())
    }

    /// Parameters that are one number and not known beforehand, in the order of θ.
    var scalars: [ThetaLayout.Entry] { theta.entries.filter { $0.parameter.width == 1 && $0.parameter.dimension == 1 } }
    /// Places of fractions; and whether a component has what they leave of 1, so that they are free.
    var weights: [Int] { theta.entries.filter(\.parameter.isLinear).map(\.offset) }
    var hasRest: Bool { description.groups.contains(where: \.takesRest) }

    /// Axes in θ, a rotation's first and third among them, with the parameters that they are of.
    var axes: [(entry: ThetaLayout.Entry, axis: StudyAxis)] {
        theta.entries.flatMap { entry in
            let columns: [Int?] =
                switch entry.parameter.chart {
                case .axis: [nil]
                case .rotation: [0, 2]
                default: []
                }
            return columns.map { (entry, StudyAxis(place: entry.offset, column: $0)) }
        }
    }

    /// P(component), from probabilities of L structures.
    func componentProbabilities(_ p: [Double], _ list: [Structure]) -> [Double] {
        components.map { bit in zip(list, p).reduce(0) { $0 + (bit.isThere($1.0) ? $1.1 : 0) } }
    }

    /// P(n of a kind), n = 0 to the most there can be, from probabilities of L structures.
    func countProbabilities(_ kind: Kind, _ p: [Double], _ list: [Structure]) -> [Double] {
        Self.probabilities(of: kind.count, most: kind.bits.count, p, list)
    }

    /// P(n fibres), n = 0 to the most of any structure, from probabilities of L structures.
    func fibreProbabilities(_ p: [Double], _ list: [Structure]) -> [Double] {
        Self.probabilities(of: fibreCount, most: mostFibres, p, list)
    }

    private static func probabilities(
        of number: (Structure) -> Int, most: Int, _ p: [Double], _ list: [Structure]
    ) -> [Double] {
        var sums = [Double](repeating: 0, count: most + 1)
        for (z, x) in zip(list, p) { sums[number(z)] += x }
        return sums
    }

    /// p(z | y, λ) of the structures that a posterior lists, and of all others together.
    func probabilities(_ posterior: VoxelPosterior, lambda: Double) -> (listed: [Double], rest: Double) {
        let all = StructureSpace.normalise(
            zip(posterior.listed, posterior.logProbability).map { $1 - lambda * Double(parameterCount($0)) }
                + [posterior.logRest - lambda * posterior.restParameters])
        return (all.dropLast().map { exp($0) }, exp(all[all.count - 1]))
    }

    /// Probabilities at λ of the structures listed, and for what each draw counts, where draws were allocated for that
    /// λ.
    func weights(_ posterior: VoxelPosterior, lambda: Double) -> (probability: [Double], weights: [Float]) {
        var probability: [Double] = [], weights = [Float](repeating: 0, count: posterior.structures.count)
        DrawWeights(
            parameterCounts: posterior.listed.map(parameterCount), fibreCounts: posterior.listed.map { fibreCount($0) },
            drawLambda: lambda, target: lambda
        ).update(ListedPosterior(posterior), probability: &probability, weights: &weights)
        return (probability, weights)
    }

    /// Posteriors of one observation, made to list the same structures in the same order: all of a family that lists
    /// them, else those that any of them lists. What one does not list has no probability and no stated error.
    func aligned(_ posteriors: [VoxelPosterior]) -> [VoxelPosterior] {
        let list = structures ?? Set(posteriors.flatMap(\.listed)).sorted()
        let places = Dictionary(uniqueKeysWithValues: zip(list, 0...))
        return posteriors.map { old in
            guard old.listed != list else { return old }
            var new = old
            let to = old.listed.map { places[$0]! }
            new.listed = list
            new.logProbability = Array(repeating: -.infinity, count: list.count)
            for (i, place) in to.enumerated() { new.logProbability[place] = old.logProbability[i] }
            if !old.logEvidenceError.isEmpty {
                new.logEvidenceError = Array(repeating: .infinity, count: list.count)
                for (i, place) in to.enumerated() { new.logEvidenceError[place] = old.logEvidenceError[i] }
            }
            new.structures = old.structures.map { to[$0] }
            return new
        }
    }
}

/// Where an axis stands in θ: three numbers, or one of the axes of a frame, by its rotation's four.
struct StudyAxis: Sendable {
    var place: Int
    var column: Int? = nil

    /// Unit length; 0 where θ has none.
    func direction(_ theta: UnsafePointer<Double>) -> SIMD3<Double> {
        let at = theta + place
        return column.map { RotationChart.axis($0, of: at) } ?? SIMD3(at[0], at[1], at[2])
    }
}
