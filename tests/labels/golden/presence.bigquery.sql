SELECT
  `t3`.`user_id`,
  `t3`.`item_id`,
  `t3`.`t0`,
  `t3`.`horizon_end`,
  `t3`.`treatment`,
  `t3`.`outcome`,
  `t3`.`label_kind`,
  `t3`.`sampling_weight`,
  `t3`.`censoring_weight`,
  `t3`.`analysis_weight`,
  COALESCE(`t14`.`presence_next` < `t3`.`horizon_end`, FALSE) AS `present_after`
FROM `labels` AS `t3`
LEFT OUTER JOIN (
  SELECT
    `t12`.`user_id`,
    `t12`.`presence_next`,
    `t12`.`presence_moment` AS `t0`
  FROM (
    SELECT
      `t11`.`user_id`,
      `t11`.`presence_moment`,
      `t11`.`presence_event`,
      `t11`.`presence_kind`,
      MIN(`t11`.`presence_event`) OVER (
        PARTITION BY `t11`.`user_id`
        ORDER BY `t11`.`presence_moment` ASC, `t11`.`presence_kind` ASC
        ROWS BETWEEN 1 following AND UNBOUNDED FOLLOWING
      ) AS `presence_next`
    FROM (
      SELECT
        *
      FROM (
        SELECT
          `t9`.`user_id`,
          `t9`.`presence_moment`,
          `t9`.`presence_moment` AS `presence_event`,
          0 AS `presence_kind`
        FROM (
          SELECT DISTINCT
            *
          FROM (
            SELECT
              *
            FROM (
              SELECT
                `t1`.`user_id`,
                `t1`.`t0` AS `presence_moment`
              FROM `impressions` AS `t1`
            ) AS `t5`
            UNION ALL
            SELECT
              *
            FROM (
              SELECT
                `t2`.`user_id`,
                `t2`.`played_at` AS `presence_moment`
              FROM `plays` AS `t2`
            ) AS `t6`
          ) AS `t7`
        ) AS `t9`
      ) AS `t10`
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          `t4`.`user_id`,
          `t4`.`t0` AS `presence_moment`,
          CAST(NULL AS TIMESTAMP) AS `presence_event`,
          1 AS `presence_kind`
        FROM (
          SELECT DISTINCT
            `t0`.`user_id`,
            `t0`.`t0`
          FROM `labels` AS `t0`
        ) AS `t4`
      ) AS `t8`
    ) AS `t11`
  ) AS `t12`
  WHERE
    `t12`.`presence_kind` = 1
) AS `t14`
  ON `t3`.`user_id` = `t14`.`user_id` AND `t3`.`t0` = `t14`.`t0`
