import Foundation
import ModelSpace

/// What one structure's signal comes to: for each component its compartment, and where the compartment's numbers come
/// from. Worked out once a structure.
final class SignalPlan: Sendable {
    /// Where a number of a compartment comes from, among the layout's.
    enum Source: Sendable, Hashable {
        case number(FamilyExpression<Int>)
        /// A scalar as it is: what most numbers are.
        case scalar(Int)
        case axis(Int), rotation(Int)
    }

    /// A class: what evaluates signals asks for it at every point, and would copy all that it refers to.
    final class Component: Sendable {
        let compartment: any Compartment
        /// One a parameter of the compartment, in its order.
        let sources: [Source]
        let spread: FamilyExpression<Int>?
        /// Where it is one whose polynomials do not depend on the axis: the compartment, and whether they are those of
        /// the component before.
        let zonal: (any WatsonCompartment)?, isLikeLast: Bool
        /// The layout's scalars that its numbers depend on, at most eight.
        let inputs: [Int]
        /// Numbers of the compartment.
        let width: Int
        /// Its derivatives by what they become of the structure's.
        let slopes: [Slope]

        init(
            _ compartment: any Compartment, _ sources: [Source], spread: FamilyExpression<Int>?, inputs: [Int],
            isLikeLast: Bool
        ) {
            (self.compartment, self.sources, self.spread) = (compartment, sources, spread)
            zonal = compartment as? any WatsonCompartment
            (self.inputs, self.isLikeLast) = (inputs, isLikeLast)
            width = compartment.width
            var slopes: [Slope] = [], row = 0, number = 0
            for (parameter, source) in zip(compartment.parameters, sources) {
                if parameter.dimension > 0 {
                    var isLogarithm = false
                    if case .logUniform = parameter.chart { isLogarithm = true }
                    slopes.append(Slope(row: row, number: number, source: source, isLogarithm: isLogarithm))
                }
                row += parameter.dimension
                number += parameter.width
            }
            self.slopes = slopes
        }

        /// The rows of one parameter's local coordinates.
        struct Slope: Sendable {
            /// The first of them, and the parameter's first number.
            let row: Int, number: Int
            let source: Source
            /// Whether the row is the derivative by the logarithm.
            let isLogarithm: Bool
        }

        /// The sources that are no orientations.
        var numbers: [Source] {
            sources.filter {
                switch $0 {
                case .number, .scalar: true;
                default: false
                }
            }
        }
    }

    let layout: SignalLayout
    /// In the layout's order.
    let components: [Component]
    /// For each scalar of the layout, the scalar to which it is relative.
    let bases: [Int?]
    /// The most numbers that a compartment has, and the most local coordinates.
    let width: Int, dimension: Int

    init(_ composition: FamilyComposition, _ rule: StructureRule, _ theta: ThetaLayout, _ z: Structure) {
        let description = composition.description, layout = SignalLayout(description, theta, rule, z)
        let bases = layout.scalars.map { s in
            s.relativeTo.map { place in layout.scalars.firstIndex { $0.place == place }! }
        }
        self.layout = layout
        self.bases = bases
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
                else {
                    let own = compiled(expression)
                    if case .parameter(let scalar) = own { return .scalar(scalar) }
                    return .number(own)
                }
                let at = place(name).place
                return parameter.chart == .axis
                    ? .axis(layout.axes.firstIndex { $0.place == at }!)
                    : .rotation(layout.rotations.firstIndex { $0.place == at }!)
            }
            let spread = variant.spread.map(compiled)
            var inputs = Set<Int>()
            for source in sources {
                switch source {
                case .number(let expression): inputs.formUnion(expression.leaves)
                case .scalar(let scalar): inputs.insert(scalar)
                case .axis, .rotation: break
                }
            }
            inputs.formUnion(spread?.leaves ?? [])
            inputs.formUnion(inputs.compactMap { bases[$0] })
            let own = Component(compartment, sources, spread: spread, inputs: inputs.sorted(), isLikeLast: false)
            let isLikeLast =
                k > 0 && own.zonal != nil && components[k - 1].zonal != nil
                && components[k - 1].compartment.name == compartment.name
                && layout.components[k - 1].group == component.group && components[k - 1].numbers == own.numbers
            components.append(
                Component(compartment, sources, spread: spread, inputs: own.inputs, isLikeLast: isLikeLast))
        }
        self.components = components
        width = components.map(\.compartment.width).max()!
        dimension = components.map(\.compartment.dimension).max()!
    }

    /// Natural values of the scalars of a packed point.
    func values(_ x: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
        for (j, s) in layout.scalars.enumerated() {
            let own = x[layout.firstScalar + j]
            out[j] = (s.isLogarithm ? exp(own) : own) * (bases[j].map { out[$0] } ?? 1)
        }
    }

    /// Natural values of the scalars of a θ.
    func values(theta: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
        for (j, s) in layout.scalars.enumerated() { out[j] = theta[s.place] }
    }

    /// A component's numbers from natural values of the scalars and from the orientations that `orientation` finds
    /// (kind and index).
    @inline(__always)
    func numbers<N: FormNumber>(
        _ k: Int, _ values: UnsafePointer<N>, axis: (Int, UnsafeMutablePointer<N>) -> Void,
        rotation: (Int, UnsafeMutablePointer<N>) -> Void,
        into p: UnsafeMutablePointer<N>
    ) {
        var i = 0
        for source in components[k].sources {
            switch source {
            case .number(let expression):
                p[i] = expression.value(values)
                i += 1
            case .scalar(let j):
                p[i] = values[j]
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

    /// A component's numbers from a θ and its scalars' `values`.
    func numbers(
        _ k: Int, theta: UnsafePointer<Double>, _ values: UnsafePointer<Double>, into p: UnsafeMutablePointer<Double>
    ) {
        numbers(
            k, values, axis: { a, to in to.update(from: theta + layout.axes[a].place, count: 3) },
            rotation: { r, to in to.update(from: theta + layout.rotations[r].place, count: 4) }, into: p)
    }
}
