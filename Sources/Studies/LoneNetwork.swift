import Baselines
import Diffusion
import Inference
import ModelSpace
import Networks
import Tensors

/// A trained network of some method, to be asked alone.
public struct StudiedNetwork: Sendable {
    enum Method: Sendable { case prism(NetworkFile), sbmi(SBMIFile) }
    let method: Method
    public let path: String

    /// Reads a network of whatever method.
    /// - Errors: SafetensorsError, NetworkFileError.
    public init(path: String) throws {
        self.path = path
        method = SBMIFile.isOne(path) ? .sbmi(try SBMIFile(path: path)) : .prism(try NetworkFile(path: path))
    }

    public var origin: NetworkOrigin {
        switch method {
        case .prism(let file): file.origin
        case .sbmi(let file): file.origin
        }
    }

    /// λ that it has for good; nil of one that is told.
    public var ownLambda: Double? { if case .sbmi(let file) = method { file.network.sbmi.lambda } else { nil } }

    private var network: any TrainableNetwork {
        switch method {
        case .prism(let file): file.network
        case .sbmi(let file): file.network
        }
    }
    var methodName: String { network.method }
    /// Without the unused places between them.
    var weightCount: Int { network.layout.references.reduce(0) { $0 + $1.count } }

    /// - Errors: `NetworkFileError.unusable` where its sizes are not those of the family.
    func check<F: DiffusionFamily>(_ family: F) throws {
        let fits =
            switch method {
            case .prism(let file): file.network.shape == FamilyShape(family)
            case .sbmi(let file):
                file.network.shape == FamilyShape(family)
                    && file.network.sbmi.coordinates
                        == SBMIConfiguration(
                            lambda: 0, masks: family.structureList!.structures.map(family.coordinateMask)
                        ).coordinates
            }
        if !fits { throw NetworkFileError.unusable(path: path, reason: "its sizes are not those of '\(family.name)'") }
    }

    /// For one thread.
    func lone<F: DiffusionFamily>(_ family: F) -> any LoneNetwork {
        switch method {
        case .prism(let file): LonePRISM(family, file)
        case .sbmi(let file): LoneSBMI(family, file)
        }
    }
}

/// What a network is asked of a block of voxels that share an acquisition.
///
/// Shapes: V voxels, M measurements, T × Q coordinates.
struct LoneQuestion {
    /// V × M.
    var y: [Float]
    var design: Acquisition
    var lambda: Double
    /// The voxels' true structures, of which parameters are drawn; and the true coordinates where their density is
    /// asked for.
    var truths: [Structure], coordinates: [[Float]?]
    /// Name the voxels' streams of random numbers.
    var keys: [UInt64], seed: UInt64
    /// L.
    var draws: Int

    func voxel(_ i: Int) -> [Float] { Array(y[i * design.count..<(i + 1) * design.count]) }
}

/// What it says of one.
struct LoneAnswer {
    /// log q(z | y, λ) of the listed structures, as the network says it: less than 1 altogether where it deems others
    /// possible.
    var asked: [Double]
    /// The same by the exact identity from the λ that it is best asked at, all others left out.
    var reweighted: [Double]
    /// L draws of P numbers of θ, given the true structure.
    var draws: [[Double]]
    /// log q of the true coordinates, given the true structure.
    var logDensity: Double?
}

/// A network alone at work, of whatever method. One a worker thread; the answer to a voxel depends on neither the
/// others of its block nor the thread.
protocol LoneNetwork: AnyObject {
    /// - Returns: and processor seconds of what it says besides the density.
    func answers(_ question: LoneQuestion) -> (voxels: [LoneAnswer], seconds: Double)
}

/// PRISM's: told λ, or asked at 0 and reweighted.
private final class LonePRISM<F: DiffusionFamily>: LoneNetwork {
    private let family: F, file: NetworkFile, sampler: AmortisedSampler<F>
    /// With products in single precision, for differences between its answers.
    private lazy var precise = NetworkRunner(file, precision: .float32)
    /// Enough that the solver's own error does not show beside the network's.
    private static var solverSteps: Int { 24 }

    init(_ family: F, _ file: NetworkFile) {
        (self.family, self.file) = (family, file)
        sampler = AmortisedSampler(family: family, file: file)
    }

    func answers(_ question: LoneQuestion) -> (voxels: [LoneAnswer], seconds: Double) {
        let count = question.truths.count, space = family.structureList!, p = family.parameterNames.count,
            reference = AmortisedSampler<F>.referenceLambda, start = Stopwatch.threadSeconds
        let asked = sampler.structureLogProbabilities(
            question.y, count: count, design: question.design, lambdas: [question.lambda])[0]
        let drawn = sampler.answer(
            question.y, count: count, design: question.design, keys: question.keys, seed: question.seed,
            steps: Self.solverSteps
        ) { voxel, _ in Array(repeating: space.index(of: question.truths[voxel])!, count: question.draws) }
        let seconds = Stopwatch.threadSeconds - start
        let answers = (0..<count).map { i in
            LoneAnswer(
                asked: asked[i],
                reweighted: space.reweight(drawn[i].logProbability, from: reference, to: question.lambda),
                draws: (0..<question.draws).map { Array(drawn[i].parameters[$0 * p..<($0 + 1) * p]) },
                logDensity: question.coordinates[i].map { density(question, i, $0) })
        }
        return (answers, seconds)
    }

    private func density(_ question: LoneQuestion, _ i: Int, _ coordinates: [Float]) -> Double {
        let seen = family.observed(question.voxel(i), question.design), z = question.truths[i]
        let encoded = precise.encode(
            voxels: 1, measurements: question.design.count, features: seen.features, summaries: seen.summary)
        return precise.logDensity(encoded, of: coordinates, z, mask: family.coordinateMask(z))
    }
}

/// SBMI's: λ is its own, whichever is asked for.
private final class LoneSBMI<F: DiffusionFamily>: LoneNetwork {
    private let family: F, reader: SBMIReader

    init(_ family: F, _ file: SBMIFile) { (self.family, reader) = (family, SBMIReader(file)) }

    func answers(_ question: LoneQuestion) -> (voxels: [LoneAnswer], seconds: Double) {
        let space = family.structureList!, own = reader.network.sbmi.lambda
        var seconds = 0.0
        let answers = question.truths.enumerated().map { i, z -> LoneAnswer in
            let start = Stopwatch.threadSeconds, seen = family.observed(question.voxel(i), question.design),
                mask = family.coordinateMask(z)
            let posterior = reader.read(
                measurements: question.design.count, features: seen.features, summaries: seen.summary)
            let asked = space.structures.map(posterior.structures.logProbability)
            var random = RandomSource(seed: question.seed, stream: question.keys[i], substream: 1)
            let draws = posterior.draws(z, mask: mask, count: question.draws, using: &random).map { x in
                var theta = [Double](repeating: 0, count: family.parameterNames.count)
                family.decode(x, z, question.design, seen.frame, into: &theta)
                return theta
            }
            seconds += Stopwatch.threadSeconds - start
            return LoneAnswer(
                asked: asked, reweighted: space.reweight(asked, from: own, to: question.lambda), draws: draws,
                logDensity: question.coordinates[i].map { posterior.logDensity($0, z, mask: mask) })
        }
        return (answers, seconds)
    }
}

extension DiffusionFamily {
    /// What a network sees of a voxel's M signals: M × F features, G summaries, and the frame of its coordinates.
    func observed(_ y: [Float], _ design: Acquisition) -> (features: [Float], summary: [Float], frame: CanonicalFrame) {
        var features = [Float](repeating: 0, count: design.count * featureCount),
            summary = [Float](repeating: 0, count: summaryCount)
        let frame = observe(y, design, features: &features, summary: &summary)
        return (features, summary, frame)
    }
}
