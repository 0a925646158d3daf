import Foundation

/// What one structure's signal is made of, noise aside, and where an exact engine keeps its numbers.
///
///     S = s0 Σ_k f_k E_k(shape)        fractions on the simplex, each at least its floor
///     S = Σ_k u_k E_k(shape)           coefficients, normal about 0
///
/// E_k is the attenuation of component k; the *shape* is every parameter in which the signal is not linear. A *point*
/// holds them all, packed, in the coordinates in which the prior is flat on its support:
///
///     log σ, log s0, f_1 … f_W (or u), scalars (values or logarithms, by chart), axes (3 numbers each), rotations (4
///     each)
///
/// σ is the noise's standard deviation. With a scale s0 the prior of log s0 is flat without bounds and log(s0/σ) is
/// uniform; without one log s0 is 0 and log σ is uniform. Local coordinates of the shape stand in the order scalars,
/// axes (2 each, `AxisChart`), rotations (3 each: angles ω about the rotation's own axes, R exp[ω]).
///
/// A class: what works on points hands it on at every step, and would copy all that it refers to.
public final class SignalLayout: Sendable, Hashable {
    /// One of the W parts of which the signal is a weighted sum.
    public struct Component: Sendable, Hashable {
        public var group: String, member: Int
        /// Place of its weight in θ; nil where it is what the others leave of 1.
        public var weight: Int?
        /// The least fraction, or a coefficient's standard deviation.
        public var bound: Double
    }

    /// A parameter with bounds.
    public struct Scalar: Sendable, Hashable {
        /// The parameter's name; the group's is empty for shared ones.
        public var name: String, group: String, member: Int
        /// Its place in θ.
        public var place: Int
        /// Whether its coordinate is the logarithm; bounds of the coordinate.
        public var isLogarithm: Bool, low: Double, high: Double
        /// The coordinate is that of the ratio to the number at this place of θ.
        public var relativeTo: Int?
    }

    /// An axis or a rotation: where its numbers stand in θ.
    public struct Orientation: Sendable, Hashable { public var name: String, group: String, member: Int, place: Int }

    /// One of several components that may change places.
    public struct Member: Sendable, Hashable {
        public var component: Int, scalars: [Int], axes: [Int], rotations: [Int]
    }

    public enum Weights: Sendable, Hashable { case simplex, normal }

    /// z without its noise.
    public let structure: Structure
    public let weights: Weights
    public let components: [Component]
    public let scalars: [Scalar], axes: [Orientation], rotations: [Orientation]
    /// Sets of two or more members that the prior does not tell apart; kept in order of falling weight.
    public let exchangeable: [[Member]]
    /// Bounds of log(s0/σ), or where there is no scale of log σ.
    public let noise: (low: Double, high: Double)
    /// Places in θ of s0 (nil without a scale), and of the signal-to-noise ratio or σ.
    public let scalePlace: Int?, noisePlace: Int
    /// Numbers in θ that are known beforehand.
    public let fixed: [(place: Int, value: Double)]
    /// P, numbers of θ.
    public let parameterCount: Int

    /// W; numbers of a point; local coordinates of the shape.
    public var componentCount: Int { components.count }
    public let count: Int, shapeDimension: Int

    // Places in a point.
    public static let sigma = 0, scale = 1, firstWeight = 2
    public let firstScalar: Int, firstAxis: Int, firstRotation: Int

    /// - Precondition: z is allowed and has a component.
    public init(_ family: FamilyDescription, _ theta: ThetaLayout, _ rule: StructureRule, _ z: Structure) {
        var components: [Component] = [], scalars: [Scalar] = [], axes: [Orientation] = [],
            rotations: [Orientation] = []
        var exchangeable: [[Member]] = [], fixed: [(place: Int, value: Double)] = []
        var isNormal = false
        structure = rule.signal(z)
        func add(_ parameter: Parameter, _ group: String, _ member: Int, _ own: inout Member?) {
            let place = theta.offset(of: parameter.name, in: group, member: member)!
            let orientation = Orientation(name: parameter.name, group: group, member: member, place: place)
            func scalar(_ low: Double, _ high: Double, isLogarithm: Bool) {
                own?.scalars.append(scalars.count)
                scalars.append(
                    Scalar(
                        name: parameter.name, group: group, member: member, place: place, isLogarithm: isLogarithm,
                        low: low, high: high,
                        relativeTo: parameter.relativeTo.flatMap { theta.offset(of: $0) }))
            }
            switch parameter.chart {
            case let .logUniform(low, high): scalar(log(low), log(high), isLogarithm: true)
            case let .uniform(low, high): scalar(low, high, isLogarithm: false)
            case .axis:
                own?.axes.append(axes.count)
                axes.append(orientation)
            case .rotation:
                own?.rotations.append(rotations.count)
                rotations.append(orientation)
            case let .weight(floor):
                components.append(Component(group: group, member: member, weight: place, bound: floor))
            case let .coefficient(sd):
                isNormal = true
                components.append(Component(group: group, member: member, weight: place, bound: sd))
            case let .fixed(value): fixed.append((place, value))
            case .scale: break
            }
        }
        var none: Member?
        for parameter in family.shared { add(parameter, "", 0, &none) }
        for group in family.groups {
            let choice = rule.choice(of: group.name, in: z), parameters = group.parameters(of: choice.option)
            var members: [Member] = []
            if choice.members > 0 { for parameter in group.common { add(parameter, group.name, 0, &none) } }
            for member in 0..<choice.members {
                var own: Member? = Member(component: components.count, scalars: [], axes: [], rotations: [])
                if group.takesRest { components.append(Component(group: group.name, member: 0, weight: nil, bound: 0)) }
                for parameter in parameters { add(parameter, group.name, member, &own) }
                members.append(own!)
            }
            if members.count > 1 { exchangeable.append(members) }
        }
        precondition(!components.isEmpty, "a structure without a component has no signal")
        var noise = (low: 0.0, high: 0.0)
        for parameter in family.noise.parameters {
            if case let .logUniform(low, high) = parameter.chart { noise = (log(low), log(high)) }
        }
        let places = theta.noise(family)
        (scalePlace, noisePlace) = (places.scale, places.level ?? 0)
        (self.components, self.scalars, self.axes, self.rotations) = (components, scalars, axes, rotations)
        (self.exchangeable, self.noise, self.fixed) = (exchangeable, noise, fixed)
        parameterCount = theta.count
        weights = isNormal ? .normal : .simplex
        firstScalar = Self.firstWeight + components.count
        firstAxis = firstScalar + scalars.count
        firstRotation = firstAxis + 3 * axes.count
        count = firstRotation + 4 * rotations.count
        shapeDimension = scalars.count + 2 * axes.count + 3 * rotations.count
    }

    public static func == (a: SignalLayout, b: SignalLayout) -> Bool {
        a.structure == b.structure && a.components == b.components && a.scalars == b.scalars
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(structure) }

    /// Σ of the floors; what is left of 1 above them is what the prior distributes.
    public var floors: Double { weights == .simplex ? components.reduce(0) { $0 + $1.bound } : 0 }

    /// log of the prior's density, which is the same at every point of its support, by free fractions (all but one),
    /// scalars' coordinates, area of axes on the half-sphere, local angles of rotations (whose frames' axes have no
    /// sign: volume 2π²), log σ, and log s0 (density 1). Members that may change places are counted once, in their
    /// order. Without the normal density of coefficients.
    public var logPriorDensity: Double {
        var total = -log(noise.high - noise.low)
        for s in scalars { total -= log(s.high - s.low) }
        total -= Double(axes.count) * log(2 * .pi) + Double(rotations.count) * log(2 * .pi * .pi)
        if weights == .simplex {
            let free = componentCount - 1
            total += lgamma(Double(componentCount)) - Double(free) * log(1 - floors)
        }
        for members in exchangeable { total += lgamma(Double(members.count) + 1) }
        return total
    }
}
