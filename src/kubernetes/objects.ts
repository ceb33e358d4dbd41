/**
 * The parts of Kubernetes objects that pg-app-user reads. An API server may leave out any of them.
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/
 */

/** What every object says about itself. */
export interface Metadata {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  /** RFC 3339. */
  readonly creationTimestamp?: string
  /** There once the object is being deleted. RFC 3339. */
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly {
    readonly kind?: string
    readonly name?: string
    readonly controller?: boolean
  }[]
  /** Which client wrote which fields, and when it did so last. */
  readonly managedFields?: readonly {
    readonly manager?: string
    /** RFC 3339. */
    readonly time?: string
    readonly fieldsV1?: { readonly 'f:data'?: Readonly<Record<string, unknown>> }
  }[]
}

/** core/v1 Secret; the values of `data` are base64. */
export interface SecretObject {
  readonly metadata?: Metadata
  readonly data?: Readonly<Record<string, string>>
  readonly type?: string
  readonly immutable?: boolean
}

/** core/v1 Service. */
export interface ServiceObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly externalName?: string
    readonly selector?: Readonly<Record<string, string>>
    readonly ports?: readonly {
      readonly name?: string
      readonly port: number
      readonly protocol?: string
      readonly appProtocol?: string
      readonly targetPort?: number | string
    }[]
  }
}

/** What a Pod consists of, also as the template of a Deployment has it. */
export interface PodSpec {
  readonly nodeName?: string
  readonly containers?: readonly Container[]
  readonly initContainers?: readonly Container[]
  /** For all containers together. */
  readonly resources?: Resources
  readonly readinessGates?: readonly { readonly conditionType?: string }[]
  readonly volumes?: readonly {
    readonly secret?: { readonly secretName?: string }
    readonly projected?: { readonly sources?: readonly { readonly secret?: { readonly name?: string } }[] }
  }[]
  readonly topologySpreadConstraints?: readonly {
    readonly topologyKey?: string
    readonly maxSkew?: number
    readonly whenUnsatisfiable?: string
  }[]
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly { readonly topologyKey?: string }[]
    }
  }
}

/** One container of a Pod. */
export interface Container {
  readonly name?: string
  /** `Always` makes a sidecar of an init container. */
  readonly restartPolicy?: string
  readonly ports?: readonly {
    readonly name?: string
    readonly containerPort?: number
    readonly protocol?: string
  }[]
  readonly env?: readonly {
    readonly name?: string
    readonly value?: string
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name?: string } }
  }[]
  readonly envFrom?: readonly { readonly secretRef?: { readonly name?: string } }[]
  readonly resources?: Resources
}

/** What a container, or a Pod as a whole, asks for and may take. */
interface Resources {
  readonly requests?: Readonly<Record<string, string | number>>
  readonly limits?: Readonly<Record<string, string | number>>
}

/** core/v1 Pod. */
export interface PodObject {
  readonly metadata?: Metadata
  readonly spec?: PodSpec
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly podIP?: string
    /** RFC 3339. */
    readonly startTime?: string
    readonly conditions?: readonly {
      readonly type?: string
      readonly status?: string
      readonly reason?: string
      readonly message?: string
    }[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

/** How one container of a Pod is. */
export interface ContainerStatus {
  readonly name?: string
  readonly ready?: boolean
  readonly started?: boolean
  readonly restartCount?: number
  readonly state?: ContainerState
  /** How it was before it was started again. */
  readonly lastState?: ContainerState
}

/** One of three. */
interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly running?: object
  readonly terminated?: {
    readonly reason?: string
    readonly exitCode?: number
    /** RFC 3339. */
    readonly finishedAt?: string
  }
}

/** meta/v1 LabelSelector. One without terms selects everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key?: string
    readonly operator?: string
    readonly values?: readonly string[]
  }[]
}

/** networking.k8s.io/v1 NetworkPolicy, the parts about what is let in. */
export interface NetworkPolicyObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly podSelector?: LabelSelector
    readonly policyTypes?: readonly string[]
    readonly ingress?: readonly IngressRule[]
  }
}

/** What may come in: over any of the ports, from any of the peers. One without them lets in over every one, from everywhere. */
export interface IngressRule {
  readonly ports?: readonly {
    readonly protocol?: string
    readonly port?: number | string
    readonly endPort?: number
  }[]
  readonly from?: readonly Peer[]
}

/** From where something may come in. */
export interface Peer {
  readonly podSelector?: LabelSelector
  readonly namespaceSelector?: LabelSelector
  readonly ipBlock?: { readonly cidr?: string; readonly except?: readonly string[] }
}

/** What an address leads to. */
export interface TargetReference {
  readonly kind?: string
  readonly namespace?: string
  readonly name?: string
}

/** discovery.k8s.io EndpointSlice: v1 and v1beta1 agree on these parts. */
export interface EndpointSliceObject {
  readonly endpoints?:
    | readonly {
        readonly conditions?: { readonly ready?: boolean }
        readonly targetRef?: TargetReference
      }[]
    | null
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[] | null
}

/** core/v1 Endpoints. */
export interface EndpointsObject {
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly targetRef?: TargetReference }[]
    readonly ports?: readonly { readonly name?: string; readonly port?: number }[]
  }[]
}
