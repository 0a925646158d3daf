import Foundation
import ModelSpace

/// Which values a composed family's expressions can take.
extension FamilyComposition {
    /// The least and the largest value of an expression over its parameters' priors, on a grid of these; nil where it
    /// may divide by zero.
    func bounds(
        of expression: Expression, _ variant: Variant, _ group: ComponentGroup
    ) throws -> ClosedRange<Double>? {
        guard
            expression.range({ name in
                (try? reference(name, group: group, when: variant.when)).flatMap { range(of: $0.parameter) } ?? 0...0
            }) != nil
        else {
            return nil
        }
        var references = try expression.leaves.map { try reference($0, group: group, when: variant.when) }
        for name in references.compactMap(\.parameter.relativeTo) {
            guard let base = description.shared.first(where: { $0.name == name }),
                !references.contains(where: { $0.parameter == base && $0.group.isEmpty })
            else { continue }
            references.append(Reference(group: "", parameter: base, isMembers: false))
        }
        guard references.count <= 8 else {
            throw fail("'\(expression.text)' depends on \(references.count) numbers; 8 are the most")
        }
        let steps = references.count <= 4 ? 5 : 2,
            compiled = try expression.mapped { name in
                FamilyExpression<Int>.parameter(
                    references.firstIndex(of: try reference(name, group: group, when: variant.when))!)
            }
        var low = Double.infinity, high = -Double.infinity, total = 1
        for _ in references { total *= steps }
        for index in 0..<total {
            var rest = index
            let own = references.map { reference -> Double in
                let u = Double(rest % steps) / Double(steps - 1)
                rest /= steps
                switch reference.parameter.chart {
                case let .logUniform(low, high): return low * pow(high / low, u)
                case let .uniform(low, high): return low + u * (high - low)
                case .fixed(let value): return value
                default: return .nan
                }
            }
            let values = references.indices.map { i in
                references[i].parameter.relativeTo.map { name in
                    own[i] * own[references.firstIndex { $0.parameter.name == name && $0.group.isEmpty }!]
                } ?? own[i]
            }
            let value = values.withUnsafeBufferPointer { buffer in
                references.isEmpty ? compiled.value([0.0]) : compiled.value(buffer.baseAddress!)
            }
            (low, high) = (min(low, value), max(high, value))
        }
        return low.isFinite && high.isFinite ? low...high : nil
    }

    func short(_ x: Double) -> String {
        let y = Double(Float(x)); return y == y.rounded() && abs(y) < 1e6 ? "\(Int(y))" : "\(Float(x))"
    }

    /// Why a family cannot be trained on series with b up to this: the end of a sentence; nil when it can.
    public func fault(largestB: Double) -> String? {
        for part in parts {
            let group = description.groups.first { $0.name == part.group }!
            for variant in part.variants {
                guard let compartment = CompartmentCatalogue.compartment(variant.compartment),
                    compartment is any DispersedCompartment,
                    let d = compartment.parameters.first(where: { $0.unit == "mm^2/s" }),
                    let expression = variant.parameters[d.name],
                    let top = expression.range({ name in
                        (try? reference(name, group: group, when: variant.when)).flatMap { range(of: $0.parameter) }
                            ?? 0...0
                    })?.upperBound
                else { continue }
                if top * largestB > CompartmentCatalogue.largestExponent {
                    return
                        """
                        '\(d.name)' of '\(part.group)' up to \(Float(top)) mm²/s with b up to \(Int(largestB)) s/mm² \
                        is beyond b·d = \(Int(CompartmentCatalogue.largestExponent)), for which dispersed signals hold
                        """
                }
            }
        }
        return nil
    }
}
