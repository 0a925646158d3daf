/// A family of models: components, parameters with priors, allowed structures, a simulator and a likelihood.
///
/// The inference core (networks, training, inference, exact engines) knows a family only through this interface.
///
/// Shapes: M measurements, F features a measurement, G summaries an observation, P parameters, T parameter tokens, Q
/// coordinates a token, C components.
///
/// **Parameters** θ are a flat vector of P doubles in natural units, the same layout for every structure; entries that
/// a structure does not use are zero. **Coordinates** are what the network sees of them: T × Q floats, row-major,
/// unconstrained and of about zero mean and unit variance under the prior; entries switched off by `coordinateMask` are
/// zero.
public protocol ModelFamily: Sendable {
    /// How an observation was taken (for diffusion MRI: the gradient table).
    associatedtype Design: Sendable
    /// What links an observation's own coordinates to natural parameters (for diffusion MRI: a rotation, the number of
    /// b≈0 volumes).
    associatedtype Frame: Sendable

    /// The family's name on the command line and in checkpoints.
    var name: String { get }
    /// The C component names, in the order in which the structure decoder decides on them.
    var componentNames: [String] { get }
    /// Its structures where they are so few that they are listed; nil where they are known by rule alone.
    var structureList: StructureSpace? { get }
    /// What may follow a prefix of an allowed structure, and k(z).
    var automaton: StructureAutomaton { get }
    /// Draws z ~ p(z | λ) ∝ exp(−λ k(z)).
    func drawStructure(lambda: Double, using random: inout RandomSource) -> Structure
    /// Coordinates that a structure has, on average over the allowed ones.
    var meanCoordinateCount: Double { get }
    /// P names, natural units in the family's documentation.
    var parameterNames: [String] { get }
    /// T, the number of parameter tokens.
    var tokenCount: Int { get }
    /// Q, the number of coordinates of a token row.
    var coordinateCount: Int { get }
    /// F and G.
    var featureCount: Int { get }
    var summaryCount: Int { get }

    /// T × Q values, 1 where structure z has a coordinate and 0 elsewhere. A token whose row is all 0 is inactive.
    func coordinateMask(_ z: Structure) -> [Float]

    /// M of a design.
    func measurementCount(_ design: Design) -> Int

    /// Draws θ ~ p(θ | z) (P values).
    func drawParameters(
        _ z: Structure, _ design: Design, using random: inout RandomSource, into theta: UnsafeMutablePointer<Double>)

    /// Draws y ~ p(y | θ, z) as the loader would deliver it (M values). May adjust entries of θ that are defined
    /// relative to the observation (a scale that normalisation removes).
    func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: Design, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>)

    /// log p(y | θ, z).
    func logLikelihood(_ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Design)
        -> Double

    /// Turns an observation into network inputs: M × F features (row-major) and G summaries.
    func observe(
        _ y: UnsafePointer<Float>, _ design: Design, features: UnsafeMutablePointer<Float>,
        summary: UnsafeMutablePointer<Float>
    ) -> Frame

    /// θ → coordinates (T × Q), zero where the mask is.
    func encode(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Design, _ frame: Frame,
        into coordinates: UnsafeMutablePointer<Float>)

    /// Coordinates → θ (P values), brought back into the prior's support.
    func decode(
        _ coordinates: UnsafePointer<Float>, _ z: Structure, _ design: Design, _ frame: Frame,
        into theta: UnsafeMutablePointer<Double>)
}

/// A family of so few structures that they are listed.
public protocol ListedFamily: ModelFamily {
    /// Allowed structures, k(z) and the prior.
    var structureSpace: StructureSpace { get }
}

extension ModelFamily {
    public var structureList: StructureSpace? { nil }
}

extension ListedFamily {
    public var structureList: StructureSpace? { structureSpace }
    public var automaton: StructureAutomaton { structureSpace.automaton }
    public func drawStructure(lambda: Double, using random: inout RandomSource) -> Structure {
        structureSpace.structures[structureSpace.draw(lambda: lambda, using: &random)]
    }
    public var meanCoordinateCount: Double {
        let structures = structureSpace.structures
        return Double(structures.reduce(0) { $0 + coordinateMask($1).reduce(0, +) }) / Double(structures.count)
    }
}
