import ModelSpace

/// One measurement of a diffusion-weighted series.
public struct DiffusionMeasurement: Sendable, Hashable {
    /// s/mm².
    public var b: Double
    /// Unit direction, or zero where b = 0.
    public var g: SIMD3<Double>
    /// Duration of a gradient pulse, and the time from one's start to the other's, ms. Only restricted compartments ask
    /// for them.
    public var smallDelta: Double?, bigDelta: Double?

    public init(b: Double, g: SIMD3<Double>, smallDelta: Double? = nil, bigDelta: Double? = nil) {
        self.b = b
        self.g = g
        self.smallDelta = smallDelta
        self.bigDelta = bigDelta
    }

    /// What measurements of one shell have in common.
    public var shell: Shell { Shell(b: b, smallDelta: smallDelta, bigDelta: bigDelta) }
}

/// What measurements that differ in direction alone have in common (see `DiffusionMeasurement`).
public struct Shell: Sendable, Hashable {
    public var b: Double, smallDelta: Double?, bigDelta: Double?
    public var hasTiming: Bool { smallDelta != nil && bigDelta != nil }
}

/// A part of the signal: how it falls, for given parameters, with b, direction and timing.
///
/// Its weight, its number and what it shares with others are a family's business. Its numbers p stand in the order of
/// `parameters`: one each, three for an axis, four for a rotation. An axis or rotation is the last of them.
public protocol Compartment: Sendable {
    var name: String { get }
    /// Names, units, charts and default priors.
    var list: ParameterList { get }
    /// Whether it is undefined without δ and Δ.
    var needsTiming: Bool { get }
    /// The definition, S/S0 of one measurement: by this every kernel is tested. NaN without the timing that it needs.
    func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double

    /// Its water's tensors: what the definition is to second order in b. NaN without the timing that it needs.
    func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion

    /// Attenuations of sixteen samples: measurement i of the design goes to out[i·stride … + 15].
    ///
    /// Accuracy: absolute error ≤ 2e-6 for b·d ≤ 20 (Bingham: 1e-5, restricted: 2e-5).
    /// - Parameters:
    ///   - p: the numbers, each a vector over the samples.
    ///   - spread: ρ, for a gamma-distributed diffusivity; only where `takesSpread`.
    ///   - scratch: `design.scratchCount` floats.
    func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int)

    /// Attenuations of one θ and their derivatives, M floats each, by the local coordinates of `LocalCoordinates` in
    /// the order of `parameters`, then by log ρ where there is a spread.
    /// - Parameter scratch: `design.scratchCount` floats.
    func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>)

    /// Whether its diffusivity may be gamma-distributed, exp(−u) becoming (1 + ρ²u)^(−1/ρ²).
    var takesSpread: Bool { get }
}

extension Compartment {
    public var needsTiming: Bool { false }
    public var takesSpread: Bool { false }
    public var parameters: [Parameter] { list.parameters }
    /// Numbers of p.
    public var width: Int { list.width }
    /// Local coordinates.
    public var dimension: Int { list.dimension }

    public func attenuation(_ p: [Double], _ m: DiffusionMeasurement) -> Double {
        p.withUnsafeBufferPointer { attenuation($0.baseAddress!, m) }
    }
}

/// A compartment's parameters, with what the kernels' callers ask for at every block of samples.
public struct ParameterList: Sendable, Hashable {
    public let parameters: [Parameter], width: Int, dimension: Int

    public init(_ parameters: [Parameter]) {
        self.parameters = parameters
        width = parameters.reduce(0) { $0 + $1.width }
        dimension = parameters.reduce(0) { $0 + $1.dimension }
    }
}

/// Default priors that several compartments share.
enum Prior {
    static func diffusivity(_ name: String) -> Parameter {
        Parameter(name, "mm^2/s", .logUniform(low: 1e-4, high: 5e-3))
    }
    static let axis = Parameter("mu", "", .axis)
    static let dispersion = Parameter("odi", "", .uniform(low: 0.02, high: 0.99))
    static let bingham = [
        dispersion, Parameter("skew", "", .uniform(low: 0, high: 1)), Parameter("rotation", "", .rotation),
    ]
    static func radius(_ name: String) -> Parameter { Parameter(name, "um", .uniform(low: 1, high: 12)) }
}

/// c = g·μ.
@inline(__always)
func cosine(_ m: DiffusionMeasurement, _ axis: UnsafePointer<Double>) -> Double {
    m.g.x * axis[0] + m.g.y * axis[1] + m.g.z * axis[2]
}
