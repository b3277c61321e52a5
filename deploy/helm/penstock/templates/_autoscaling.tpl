{{- /* Requests that a worker of a pool shall have. */ -}}
{{- define "penstock.target" -}}
{{- maxf 1 (floor (mulf .of.slots .of.autoscaling.utilization)) | int -}}
{{- end -}}

{{- define "penstock.behavior" -}}
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDown.stabilizationSeconds }}
  policies:
    - { type: Pods, value: {{ .scaleDown.pods }}, periodSeconds: {{ .scaleDown.periodSeconds }} }
scaleUp:
  stabilizationWindowSeconds: {{ .scaleUp.stabilizationSeconds }}
  policies:
    - { type: Percent, value: {{ .scaleUp.percent }}, periodSeconds: {{ .scaleUp.periodSeconds }} }
    - { type: Pods, value: 1, periodSeconds: {{ .scaleUp.periodSeconds }} }
{{- end -}}

{{- define "penstock.scaledObject" -}}
{{- $name := include "penstock.componentName" . -}}
{{- $scale := .of.autoscaling -}}
{{- if not .of.models -}}
{{- fail (printf "pools.%s.models is empty: KEDA scales by what waits for them" .pool) -}}
{{- end -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $name }}
  labels:
    {{- include "penstock.labels" . | nindent 4 }}
spec:
  scaleTargetRef: { name: {{ $name }} }
  minReplicaCount: {{ $scale.minReplicas }}
  maxReplicaCount: {{ $scale.maxReplicas }}
  pollingInterval: {{ $scale.pollingSeconds }}
  cooldownPeriod: {{ $scale.cooldownSeconds }}
  fallback:
    failureThreshold: 3
    replicas: {{ $scale.fallbackReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- include "penstock.behavior" $scale | nindent 8 }}
    {{- if eq $scale.source "nats" }}
    # The queues of a model are several consumers. Of several triggers an HPA takes the largest; what counts is their sum.
    scalingModifiers:
      formula: {{ include "penstock.natsFormula" . | quote }}
      target: {{ include "penstock.target" . | quote }}
      activationTarget: "0"
      metricType: AverageValue
    {{- end }}
  triggers:
    {{- if eq $scale.source "nats" }}
    {{- include "penstock.natsTriggers" . | nindent 4 }}
    {{- else }}
    {{- include "penstock.prometheusTrigger" . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- /* Consumers of one model: workConsumer of libs/protocol, for the kinds of work of libs/policy. Those of weight 0 are left out. */ -}}
{{- define "penstock.consumers" -}}
{{- $weights := .of.autoscaling.weights -}}
{{- $consumers := list -}}
{{- range $i, $model := .of.models -}}
{{- $slug := include "penstock.slug" $model -}}
{{- range $kind := list "interactive_short" "interactive_medium" "interactive_long" "background_any" "batch_any" -}}
{{- $weight := get $weights (first (splitList "_" $kind)) -}}
{{- if gt (float64 $weight) 0.0 -}}
{{- $consumers = append $consumers (dict "name" (printf "%s_%d" $kind $i) "consumer" (printf "%s_%s" $slug $kind) "weight" $weight) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $consumers -}}
{{- end -}}

{{- define "penstock.natsFormula" -}}
{{- $terms := list -}}
{{- range include "penstock.consumers" . | fromJsonArray -}}
{{- $terms = append $terms (eq (float64 .weight) 1.0 | ternary .name (printf "%s * %v" .name .weight)) -}}
{{- end -}}
{{- join " + " $terms -}}
{{- end -}}

{{- define "penstock.natsTriggers" -}}
{{- $values := .root.Values -}}
{{- if ne (int $values.shards) 1 -}}
{{- fail (printf "pools.%s.autoscaling.source is nats, which cannot tell the consumers of several shards that exist: use prometheus" .pool) -}}
{{- end -}}
{{- $endpoint := $values.nats.monitoringEndpoint -}}
{{- if and (not $endpoint) $values.nats.bundled.enabled -}}
{{- $endpoint = printf "%s-headless.%s.svc:8222" (include "penstock.componentName" (dict "root" .root "component" "nats")) .root.Release.Namespace -}}
{{- end -}}
{{- if not $endpoint -}}
{{- fail (printf "pools.%s is scaled by NATS: set nats.monitoringEndpoint to host:port of its /jsz, of a cluster that of the headless Service" .pool) -}}
{{- end -}}
{{- $target := include "penstock.target" . -}}
{{- range include "penstock.consumers" . | fromJsonArray }}
- type: nats-jetstream
  name: {{ .name }}
  metadata:
    natsServerMonitoringEndpoint: {{ $endpoint | quote }}
    account: {{ $values.nats.account | quote }}
    stream: {{ printf "WORK_%s_0" $values.region | quote }}
    consumer: {{ .consumer | quote }}
    # What is delivered and not yet acked is in the lag too: this is requests a worker, not messages waiting.
    lagThreshold: {{ $target | quote }}
{{- end }}
{{- end -}}

{{- /*
What the pool's workers run, whatever they were bound by, and what waits for its models. Each tasks process shows the same queues; where
none shows the region, there is no answer, and the fallback holds.
*/ -}}
{{- define "penstock.prometheusTrigger" -}}
{{- $values := .root.Values -}}
{{- if not $values.autoscaling.prometheus -}}
{{- fail (printf "pools.%s is scaled by Prometheus: set autoscaling.prometheus to its address" .pool) -}}
{{- end -}}
{{- $ns := printf "namespace=%s" (.root.Release.Namespace | quote) -}}
{{- $models := list -}}
{{- range .of.models -}}{{- $models = append $models (regexQuoteMeta .) -}}{{- end -}}
{{- $terms := list (printf "(sum(penstock_worker_requests_running{%s,penstock_pool=%s}) or vector(0))" $ns (.pool | quote)) -}}
{{- range $lane, $weight := .of.autoscaling.weights -}}
{{- if gt (float64 $weight) 0.0 -}}
{{- $queue := printf "penstock_queue_size{%s,model=~%s,lane=%s}" $ns (join "|" $models | quote) ($lane | quote) -}}
{{- $terms = append $terms (printf "%v * (sum(max by (model) (%s)) or vector(0))" $weight $queue) -}}
{{- end -}}
{{- end -}}
- type: prometheus
  name: requests
  metricType: AverageValue
  metadata:
    serverAddress: {{ $values.autoscaling.prometheus | quote }}
    query: {{ printf "(%s) and on() max(penstock_stream_bytes{%s})" (join " + " $terms) $ns | quote }}
    threshold: {{ include "penstock.target" . | quote }}
    activationThreshold: "0"
    ignoreNullValues: "false"
{{- end -}}

{{- /* By a metric of the pods, as prometheus-adapter gives it to the API. */ -}}
{{- define "penstock.workerHpa" -}}
{{- $name := include "penstock.componentName" . -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "penstock.labels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $name }} }
  minReplicas: {{ max 1 .of.autoscaling.minReplicas }}
  maxReplicas: {{ .of.autoscaling.maxReplicas }}
  behavior:
    {{- include "penstock.behavior" .of.autoscaling | nindent 4 }}
  metrics:
    - type: Pods
      pods:
        metric: { name: penstock_worker_requests_running }
        target: { type: AverageValue, averageValue: {{ include "penstock.target" . | quote }} }
{{- end -}}
