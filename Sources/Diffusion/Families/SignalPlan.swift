import Foundation
import ModelSpace

/// What one structure's signal comes to: for each component its compartment, and where the compartment's numbers come
/// from. Worked out once a structure.
final class SignalPlan: Sendable {
    /// Where a number of a compartment comes from, among the layout's scalars.
    enum Number: Sendable, Hashable {
        case made(FamilyExpression<Int>)
        /// A constant, or a scalar as it is: what most numbers are, and at no cost.
        case constant(Double), scalar(Int)

        init(_ expression: FamilyExpression<Int>) {
            switch expression {
            case .number(let value): self = .constant(value)
            case .parameter(let scalar): self = .scalar(scalar)
            default: self = .made(expression)
            }
        }

        @inline(__always)
        func value<N: FormNumber>(_ scalars: UnsafePointer<N>) -> N {
            switch self {
            case .made(let expression): expression.value(scalars)
            case .constant(let value): N(value)
            case .scalar(let j): scalars[j]
            }
        }

        /// The scalars it depends on.
        var leaves: [Int] {
            switch self {
            case .made(let expression): expression.leaves
            case .constant: []
            case .scalar(let j): [j]
            }
        }
    }

    /// Where a parameter of a compartment comes from, among the layout's.
    enum Source: Sendable, Hashable { case number(Number), axis(Int), rotation(Int) }

    /// A class: what evaluates signals asks for it at every point, and would copy all that it refers to.
    final class Component: Sendable {
        let compartment: any Compartment
        /// One a parameter of the compartment, in its order.
        let sources: [Source]
        let spread: Number?
        /// Where `isZonal`, the compartment as one whose polynomials do not depend on the axis (otherwise some other:
        /// an existential that may be nil would be copied at every use), and whether they are those of the component
        /// before.
        let zonal: any WatsonCompartment, isZonal: Bool, isLikeLast: Bool
        /// The compartment where it has a way of its own for a series of measurements.
        private let series: (any SeriesCompartment)?
        /// The layout's scalars that its numbers depend on, at most eight.
        let inputs: [Int]
        /// Numbers of the compartment, and local coordinates.
        let width: Int, dimension: Int
        /// Its derivatives by what they become of the structure's.
        let slopes: [Slope]

        init(
            _ compartment: any Compartment, _ sources: [Source], spread: Number?, inputs: [Int], isLikeLast: Bool
        ) {
            (self.compartment, self.sources, self.spread) = (compartment, sources, spread)
            let zonal = compartment as? any WatsonCompartment
            (self.zonal, isZonal) = (zonal ?? WatsonStick(), zonal != nil)
            series = compartment.needsTiming ? nil : compartment as? any SeriesCompartment
            (self.inputs, self.isLikeLast) = (inputs, isLikeLast)
            (width, dimension) = (compartment.width, compartment.dimension)
            var slopes: [Slope] = [], row = 0, number = 0
            for (parameter, source) in zip(compartment.parameters, sources) {
                if parameter.dimension > 0 {
                    var target = Slope.Target.inputs(isLogarithm: false)
                    switch source {
                    case .number:
                        if case .logUniform = parameter.chart { target = .inputs(isLogarithm: true) }
                    case .axis(let a): target = .axis(a)
                    case .rotation(let r): target = .rotation(r)
                    }
                    slopes.append(Slope(row: row, number: number, target: target))
                }
                row += parameter.dimension
                number += parameter.width
            }
            self.slopes = slopes
        }

        /// Attenuations of one set of numbers at a series of measurements; `out` has room for M + 15.
        func attenuations(
            _ p: UnsafePointer<Double>, _ measurements: MeasurementSeries, spread: Double,
            into out: UnsafeMutablePointer<Float>
        ) {
            if let series {
                series.attenuations(p, measurements, spread: spread, into: out)
            } else {
                compartment.attenuationsByCopies(p, measurements, spread: spread, into: out)
            }
        }

        /// The compartment's numbers from natural values of the scalars and from the orientations, which `axis` and
        /// `rotation` find by their index.
        @inline(__always)
        func numbers<N: FormNumber>(
            _ values: UnsafePointer<N>, axis: (Int, UnsafeMutablePointer<N>) -> Void,
            rotation: (Int, UnsafeMutablePointer<N>) -> Void, into p: UnsafeMutablePointer<N>
        ) {
            var i = 0
            // By index, as all loops below that run at every block: an iterator would retain the array.
            for s in sources.indices {
                switch sources[s] {
                case .number(let number):
                    p[i] = number.value(values)
                    i += 1
                case .axis(let a):
                    axis(a, p + i)
                    i += 3
                case .rotation(let r):
                    rotation(r, p + i)
                    i += 4
                }
            }
        }

        /// The rows of one parameter's local coordinates.
        struct Slope: Sendable {
            /// What they are derivatives by: the number (or its logarithm) that the inputs make, or an orientation.
            enum Target: Sendable { case inputs(isLogarithm: Bool), axis(Int), rotation(Int) }
            /// The first of them, and the parameter's first number.
            let row: Int, number: Int
            let target: Target
        }

        /// The sources that are no orientations.
        var numbers: [Source] { sources.filter { if case .number = $0 { true } else { false } } }
    }

    /// How a scalar's natural value comes from its coordinate.
    struct Scale: Sendable {
        let isLogarithm: Bool
        /// The scalar to which it is relative.
        let base: Int?
    }

    let layout: SignalLayout
    /// In the layout's order.
    let components: [Component]
    /// `components` as they are read at every block of samples: retaining one is an atomic operation, which waits until
    /// all that the last kernel wrote has been stored.
    private let unretained: [Unmanaged<Component>]
    /// Of each scalar of the layout.
    let scales: [Scale]
    /// The most numbers that a compartment has, and the most local coordinates.
    let width: Int, dimension: Int

    init(_ composition: FamilyComposition, _ rule: StructureRule, _ theta: ThetaLayout, _ z: Structure) {
        let description = composition.description, layout = SignalLayout(description, theta, rule, z)
        let scales = layout.scalars.map { s in
            Scale(
                isLogarithm: s.isLogarithm,
                base: s.relativeTo.map { place in layout.scalars.firstIndex { $0.place == place }! })
        }
        self.layout = layout
        self.scales = scales
        var components: [Component] = []
        for (k, component) in layout.components.enumerated() {
            let group = description.groups.first { $0.name == component.group }!,
                part = composition.parts.first { $0.group == component.group }!
            let variant = part.variants[composition.variant(of: part, in: z, rule)]
            let compartment = CompartmentCatalogue.compartment(variant.compartment)!
            func place(_ name: String) -> (parameter: Parameter, place: Int) {
                let reference = try! composition.reference(name, group: group, when: variant.when)
                let member = reference.isMembers ? component.member : 0
                return (
                    reference.parameter,
                    theta.offset(of: reference.parameter.name, in: reference.group, member: member)!
                )
            }
            func compiled(_ expression: FamilyComposition.Expression) -> FamilyExpression<Int> {
                expression.mapped { name in
                    let (parameter, place) = place(name)
                    if case .fixed(let value) = parameter.chart { return .number(value) }
                    return .parameter(layout.scalars.firstIndex { $0.place == place }!)
                }
            }
            let sources = compartment.parameters.map { parameter -> Source in
                let expression = variant.parameters[parameter.name]!
                guard parameter.chart == .axis || parameter.chart == .rotation, case .parameter(let name) = expression
                else { return .number(Number(compiled(expression))) }
                let at = place(name).place
                return parameter.chart == .axis
                    ? .axis(layout.axes.firstIndex { $0.place == at }!)
                    : .rotation(layout.rotations.firstIndex { $0.place == at }!)
            }
            let spread = variant.spread.map { Number(compiled($0)) }
            var inputs = Set(spread?.leaves ?? [])
            for case .number(let number) in sources { inputs.formUnion(number.leaves) }
            inputs.formUnion(inputs.compactMap { scales[$0].base })
            let own = Component(compartment, sources, spread: spread, inputs: inputs.sorted(), isLikeLast: false)
            let isLikeLast =
                k > 0 && own.isZonal && components[k - 1].isZonal
                && components[k - 1].compartment.name == compartment.name
                && layout.components[k - 1].group == component.group && components[k - 1].numbers == own.numbers
            components.append(
                Component(compartment, sources, spread: spread, inputs: own.inputs, isLikeLast: isLikeLast))
        }
        self.components = components
        unretained = components.map { .passUnretained($0) }
        width = components.map(\.width).max()!
        dimension = components.map(\.dimension).max()!
    }

    @inline(__always)
    func withComponent<R>(_ k: Int, _ body: (Component) -> R) -> R {
        unretained[k]._withUnsafeGuaranteedRef { body($0) }
    }

    /// Natural values of the scalars of a packed point.
    func values(_ x: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
        for j in scales.indices {
            let own = x[layout.firstScalar + j]
            out[j] = (scales[j].isLogarithm ? exp(own) : own) * (scales[j].base.map { out[$0] } ?? 1)
        }
    }

    /// Natural values of the scalars of a θ.
    func values(theta: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
        for (j, s) in layout.scalars.enumerated() { out[j] = theta[s.place] }
    }

    /// A component's numbers from a θ and its scalars' `values`.
    func numbers(
        _ k: Int, theta: UnsafePointer<Double>, _ values: UnsafePointer<Double>, into p: UnsafeMutablePointer<Double>
    ) {
        components[k].numbers(
            values, axis: { a, to in to.update(from: theta + layout.axes[a].place, count: 3) },
            rotation: { r, to in to.update(from: theta + layout.rotations[r].place, count: 4) }, into: p)
    }
}
