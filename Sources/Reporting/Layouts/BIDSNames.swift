import Inference

/// What a family's own numbers are called in `dwi/`.
extension BIDSOutputs {
    private static let standardNames: Set = [
        "s0", "diffusivity", "dstd", "snr", "sigma", "vf", "vfsum", "vector", "dispersion", "nfibres", "structure",
        "component", "polar", "model",
    ]

    /// Labels of a family's own numbers, each its own: of fractions `vf` and the component, of parameters their name,
    /// with the component's where it would stand for something else too.
    static func ownNames(_ quantities: [FamilyQuantity]) -> [String] {
        var taken = standardNames
        return quantities.map { quantity in
            let plain = quantity.kind == .fraction ? "vf" + label(quantity.group) : label(quantity.name)
            var name = taken.contains(plain) || plain.isEmpty ? label(quantity.group) + plain : plain, n = 1
            while taken.contains(name) || name.isEmpty { (name, n) = (plain + "own\(n)", n + 1) }
            taken.insert(name)
            return name
        }
    }

    static func text(of quantity: FamilyQuantity) -> String {
        switch quantity.kind {
        case .fraction: "signal fraction of '\(quantity.group)', all its members together (0 in draws that lack it)"
        case .named:
            quantity.text + (quantity.isEverywhere ? "" : ", over the draws that have it; 0 where none has")
        case .parameter:
            "parameter '\(quantity.name)'" + (quantity.group.isEmpty ? "" : " of '\(quantity.group)'")
                + ", over the draws that have it; 0 where none has (of several members their mean by fractions)"
        }
    }
}
